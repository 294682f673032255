"""What a load test found: verdicts, tables and one page for a sceptic with a minute."""
