from small import one_thread, small_base, table  # noqa: F401
