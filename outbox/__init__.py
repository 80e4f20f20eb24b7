"""Mail: written in one place, kept in the database until the mail server has taken it, then deleted."""
