"""SQL over the tables: statements that only read, by DuckDB, each in a process of its own.

Two layers separate a statement from everything that it must not reach. `judge` accepts
one statement that reads the tables and calls functions that compute. `engine` opens a connection
in which nothing else could be done anyway. `process` keeps both in a process with limits.
"""
