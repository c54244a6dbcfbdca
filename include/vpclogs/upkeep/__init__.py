"""What keeps tables and ledger small, quick and checked: run daily, beside publishing.

Each step can be killed at any point and run again.
"""
