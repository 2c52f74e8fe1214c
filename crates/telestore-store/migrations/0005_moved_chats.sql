-- The supergroup that the group of a user has become. Telegram tells a bot once, and no backend knows it.
CREATE TABLE moved_chats (
    user_id  TEXT NOT NULL PRIMARY KEY,
    chat     TEXT NOT NULL,
    moved_to TEXT NOT NULL
);
