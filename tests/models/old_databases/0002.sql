BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
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
CREATE TABLE documents (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	"key" VARCHAR(200) NOT NULL, 
	value TEXT NOT NULL, 
	owner VARCHAR(80) NOT NULL, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	version INTEGER NOT NULL, 
	CONSTRAINT uq_documents_key UNIQUE ("key")
);
INSERT INTO "documents" VALUES(1,'greeting','{"text":"\u4f60\u597d","number":1.0}','user:1','2026-11-29 04:33:59.899789','2026-11-29 04:33:59.899794',1);
CREATE TABLE files (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(255) NOT NULL, 
	content_type VARCHAR(255) NOT NULL, 
	size BIGINT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	stored_as VARCHAR(32) NOT NULL, 
	owner VARCHAR(80) NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT uq_files_stored_as UNIQUE (stored_as), 
	CONSTRAINT ck_files_size CHECK (size >= 0)
);
INSERT INTO "files" VALUES(1,'letter.txt','text/plain',5,'277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9','e53e799b89c144e08843130eb1bd2b06','user:1','2026-11-29 04:33:59.979045');
CREATE TABLE order_lines (
	id INTEGER NOT NULL, 
	order_id INTEGER NOT NULL, 
	product_id INTEGER NOT NULL, 
	quantity INTEGER NOT NULL, 
	price BIGINT NOT NULL, 
	CONSTRAINT pk_order_lines PRIMARY KEY (id), 
	CONSTRAINT fk_order_lines_order_id_orders FOREIGN KEY(order_id) REFERENCES orders (id) ON DELETE CASCADE, 
	CONSTRAINT fk_order_lines_product_id_products FOREIGN KEY(product_id) REFERENCES products (id), 
	CONSTRAINT ck_order_lines_quantity CHECK (quantity > 0)
);
INSERT INTO "order_lines" VALUES(1,1,1,2,125);
CREATE TABLE orders (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	user_id INTEGER NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	total BIGINT NOT NULL, 
	via VARCHAR(130), 
	created_at DATETIME NOT NULL, 
	version INTEGER NOT NULL, 
	CONSTRAINT fk_orders_user_id_users FOREIGN KEY(user_id) REFERENCES users (id), 
	CONSTRAINT ck_orders_status CHECK (status IN ('pending', 'paid', 'failed', 'unknown'))
);
INSERT INTO "orders" VALUES(1,1,'pending',250,NULL,'2026-11-29 04:33:59.706503',1);
CREATE TABLE products (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(200) NOT NULL, 
	price BIGINT NOT NULL, 
	description TEXT NOT NULL, 
	stock BIGINT NOT NULL, 
	category VARCHAR(100), 
	created_at DATETIME NOT NULL, 
	version INTEGER NOT NULL, 
	CONSTRAINT uq_products_name UNIQUE (name), 
	CONSTRAINT ck_products_stock CHECK (stock >= 0), 
	CONSTRAINT ck_products_price CHECK (price >= 0)
);
INSERT INTO "products" VALUES(1,'Tea',125,'',8,'drinks','2026-11-29 04:33:59.664001',2);
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
	created_at DATETIME NOT NULL, version INTEGER DEFAULT '1' NOT NULL, 
	CONSTRAINT uq_users_username UNIQUE (username), 
	CONSTRAINT ck_users_role CHECK (role IN ('guest', 'user', 'admin'))
);
INSERT INTO "users" VALUES(1,'ann',NULL,NULL,NULL,'admin','$argon2id$v=19$m=19456,t=2,p=1$uxfVOaHLurvuKlbu6VD+fw$CYR0eW3dcmIskfPZqBYaQ9kRTTRqkJhxRK6nY2m/9F0','2026-11-29 04:33:58.920451',1);
INSERT INTO "users" VALUES(2,'bob','Bob',NULL,NULL,'user','$argon2id$v=19$m=19456,t=2,p=1$7atU9HlTaJ0oaGoGtMU3iQ$WDEOQ17yoVQPGVk4HWGuSwuj1ixFpAvxZFWFaKruBOo','2026-11-29 04:33:59.593327',1);
CREATE INDEX ix_refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX ix_refresh_tokens_user_id ON refresh_tokens (user_id);
CREATE INDEX ix_refresh_tokens_access_jti ON refresh_tokens (access_jti);
CREATE INDEX ix_refresh_tokens_expires_at ON refresh_tokens (expires_at);
CREATE INDEX ix_revoked_tokens_expires_at ON revoked_tokens (expires_at);
CREATE INDEX ix_products_price ON products (price);
CREATE INDEX ix_products_category ON products (category);
CREATE INDEX ix_orders_user_id ON orders (user_id);
CREATE INDEX ix_order_lines_order_id ON order_lines (order_id);
CREATE INDEX ix_order_lines_product_id ON order_lines (product_id);
CREATE INDEX ix_documents_owner ON documents (owner);
CREATE INDEX ix_files_owner ON files (owner);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('users',2);
INSERT INTO "sqlite_sequence" VALUES('products',1);
INSERT INTO "sqlite_sequence" VALUES('orders',1);
INSERT INTO "sqlite_sequence" VALUES('documents',1);
INSERT INTO "sqlite_sequence" VALUES('files',1);
COMMIT;
