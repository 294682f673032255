"""The processes that place calls, on cores of their own, and what they tell."""
