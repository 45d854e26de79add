"""Test suites of users, which tests of the pytest plugin run in processes of their own."""
