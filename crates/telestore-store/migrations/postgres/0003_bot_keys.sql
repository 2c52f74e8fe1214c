-- What each bot has signed in with by MTProto, sealed. The key stands for the bot's token.
CREATE TABLE bot_keys (
    key    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sealed BYTEA NOT NULL
);
