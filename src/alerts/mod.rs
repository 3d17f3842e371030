//! Watches the rows for what administrators must know, and says each condition once.
