"""What people look at: the warehouse without a JVM, the analysts' views, the HTML report, the terminal summary."""
