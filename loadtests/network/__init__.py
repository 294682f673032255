"""A bad network between callers and server: by the kernel, or by proxies in user space."""
