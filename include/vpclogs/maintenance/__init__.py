"""Daily maintenance: keep tables and ledger small, fast and verified.

Each step runs concurrently with publishing, and can be interrupted at any point and run again.
"""
