//! Ways to reach people who are not connected: webhook, e-mail, chat robots, ntfy, the app's Redis.
