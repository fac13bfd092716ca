BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE apps (
	id INTEGER NOT NULL, 
	app_id VARCHAR(64) NOT NULL, 
	secret TEXT NOT NULL, 
	previous_secret TEXT, 
	allow JSON NOT NULL, 
	rate VARCHAR(32), 
	disabled BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_apps PRIMARY KEY (id), 
	CONSTRAINT uq_apps_app_id UNIQUE (app_id)
);
INSERT INTO "apps" VALUES(1,'shop','gAAAAABrC6s4jcF285Sd4O8wA57nBVEaAVexf6WQHOOcoKSxpIdPvPTrKf4zgZa7XDFdUTt-oxerN3qJLo4KXcUABwH5milJgwD4lbCw37hpGsP9Hd9VoAH-TsBYnsGaoRFJhaqE2tCs',NULL,'["crm.*"]','100/minute',0,'2026-11-29 04:33:59.644219');
CREATE TABLE refresh_tokens (
	id INTEGER NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	family VARCHAR(32) NOT NULL, 
	user_id INTEGER NOT NULL, 
	access_jti VARCHAR(32) NOT NULL, 
	access_expires_at DATETIME NOT NULL, 
	expires_at DATETIME NOT NULL, 
	used_at DATETIME, 
	revoked_at DATETIME, 
	CONSTRAINT pk_refresh_tokens PRIMARY KEY (id), 
	CONSTRAINT uq_refresh_tokens_token_hash UNIQUE (token_hash), 
	CONSTRAINT fk_refresh_tokens_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "refresh_tokens" VALUES(1,'f0b123f88788126d0f36cabadfb5b22b57218cb52e0a84eee7843d4bd7b69539','a63d621616d04914aef75b57647afc19',1,'baba13ef3cfb4346a88049c9956ec7d8','2026-11-29 04:48:59.000000','2026-12-13 04:33:59.458284',NULL,NULL);
CREATE TABLE revoked_tokens (
	jti VARCHAR(64) NOT NULL, 
	expires_at DATETIME NOT NULL, 
	CONSTRAINT pk_revoked_tokens PRIMARY KEY (jti)
);
CREATE TABLE users (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	username VARCHAR(150) NOT NULL, 
	name VARCHAR(150), 
	age INTEGER, 
	email VARCHAR(254), 
	role VARCHAR(16) NOT NULL, 
	password_hash VARCHAR(255) NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT uq_users_username UNIQUE (username), 
	CONSTRAINT ck_users_role CHECK (role IN ('guest', 'user', 'admin'))
);
INSERT INTO "users" VALUES(1,'ann',NULL,NULL,NULL,'admin','$argon2id$v=19$m=19456,t=2,p=1$uxfVOaHLurvuKlbu6VD+fw$CYR0eW3dcmIskfPZqBYaQ9kRTTRqkJhxRK6nY2m/9F0','2026-11-29 04:33:58.920451');
INSERT INTO "users" VALUES(2,'bob','Bob',NULL,NULL,'user','$argon2id$v=19$m=19456,t=2,p=1$7atU9HlTaJ0oaGoGtMU3iQ$WDEOQ17yoVQPGVk4HWGuSwuj1ixFpAvxZFWFaKruBOo','2026-11-29 04:33:59.593327');
CREATE INDEX ix_refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX ix_refresh_tokens_user_id ON refresh_tokens (user_id);
CREATE INDEX ix_refresh_tokens_access_jti ON refresh_tokens (access_jti);
CREATE INDEX ix_refresh_tokens_expires_at ON refresh_tokens (expires_at);
CREATE INDEX ix_revoked_tokens_expires_at ON revoked_tokens (expires_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('users',2);
COMMIT;
