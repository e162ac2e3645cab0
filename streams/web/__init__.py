"""What people look at: the pages, and the names and words in which they speak of segments and people."""
