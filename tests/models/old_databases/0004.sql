BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE apps (
	id INTEGER NOT NULL, 
	app_id VARCHAR(64) NOT NULL, 
	secret TEXT NOT NULL, 
	previous_secret TEXT, 
	allow JSON NOT NULL, 
	rate VARCHAR(32), 
	disabled BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, version INTEGER DEFAULT '1' NOT NULL, last_used_at DATETIME, 
	CONSTRAINT pk_apps PRIMARY KEY (id), 
	CONSTRAINT uq_apps_app_id UNIQUE (app_id)
);
INSERT INTO "apps" VALUES(1,'shop','gAAAAABrC6s4jcF285Sd4O8wA57nBVEaAVexf6WQHOOcoKSxpIdPvPTrKf4zgZa7XDFdUTt-oxerN3qJLo4KXcUABwH5milJgwD4lbCw37hpGsP9Hd9VoAH-TsBYnsGaoRFJhaqE2tCs',NULL,'["crm.*"]','100/minute',0,'2026-11-29 04:33:59.644219',2,NULL);
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
CREATE TABLE idempotency_keys (
	key_hash VARCHAR(64) NOT NULL, 
	record TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_idempotency_keys PRIMARY KEY (key_hash)
);
INSERT INTO "idempotency_keys" VALUES('094fac33456fa04247fd9242b9f67446e0b099bd38599bb87b8222c5c612188d','gAAAAABrC6s3a9KM6B1qZdXSgtLgRmYuDve1tZwqeVVyRNRTX4-9MzqsnW8Gcr3JRjSFDrwS4JdWTGLQXLs-eaPkIMK0OVbSZhEPjf0u4iepLbonyuMYWZXk9MMYomt6mdeHkx71ZPyP9qTyJbqMOd9wMHHpYN8CLdkAZd_tcAPvxfUQRi8tbd6hdVZS3Y_1019T-MCMC34WI0U7nXcj2ot9ZMeLok_i_MhIVPT8E23YH77xRZxjy8ZZBiz6LDszCimIjacKwm9WbdeBoY8VlmJdHX4zg8irvM804UIqr4PvsE1uKVxV-_P7MlXyQO7h9EvqKVd88dhaf9a4FJwpblx8nupsgKsEkbv3Orr4v9UXrDllmaR1kzHSXt378paAKEJ9s25mROidFSfuekbumuWPJh-08nb2asvX8zf-ViZHpK7TUYiHnlsbmGWCJTsclRxSEjSUrVhTmVLHImgkqIQwj8xMg2bxZg==','2026-11-29 04:33:59.596272');
INSERT INTO "idempotency_keys" VALUES('f4cbb1a8b801a650e28cb867b734ace54293977e6a61402e7554ff0ae0e74559','gAAAAABrC6s3XoIhpKtKj5Y4Qg-Bc3MxOPymT07DOo6GrxoXgtuuRFba2QX17zccsRLKMrh__KLKvKS4rbiw0LcDyFIP1bYHemspsqyorcRZirvJi2LzUrDxB1iKMKkkAcz9hDMAB9OszPExDSAvCTkJLJaIWRK171A2uAvE5w86y7dj1VyOooV9J8UjmB3ttD5mtJ4Ugp5SUREVVhKLfOwH99IbodJO50yC2hj3VYJcJNGHXrvNjhAfFR3NCLQWUDCS_enIjj4x8E-I59z8zxOb-3ceIgrXMhS9yc6tTZDsJE3_6O0mVceucW67xhD-s9YJBOFMXFdES0mzu-MBUOrTcAFPGW7wVmiq3e4AN6bROi-Gvd0rgrzECV6HGQw56RsTYshnnxS7ruofmR34QHMcyV-gMIkBo9XJ3xliYORqYKrwXRn61oq96rjbTjfVwDdCAENFl0Px7bbe1OtZM7CZozZZdBfKtJDTOvPUIkdDnnJoN2MMtM4P-8qazoUqy5wm8SZRVOLJFQW8HF5Gwuuw2KwfDuqyObBKhOGjw_e8nW82cP9848Y=','2026-11-29 04:33:59.661382');
INSERT INTO "idempotency_keys" VALUES('8b83ea45862c198bbc6f15e63c3c92d85196f25576733008394a86c960355ad2','gAAAAABrC6s311k1ijbP9l8FnrnEvnmNZ3RuMV096TAwclyao0cPjezX6Pv71wXnxvoMPyNAalTRVQx2r0cdfHVufYLPr6ozrFl5bGdgjWfeDBWJTdVKI356tEUgUJX6I4OPb8-0QAuYbFiJ6tOWmzMOBodUA7g751HAKOlTFrVFqSRR-g2L-x2TYw1S7eOhoEV5hPA9cRP9Y1c2n63pF6xeyVWnFBLAG2fjOigWpSpzFQUqODsA4leJIuodQMbvDClgxSJ-t7T9ct0GZFpB1dnNGPqsTTJ53cy_rqCITw4CMkuqtvaNm2uXMY27Xs2lmuwmtKEAfzOQEqL3GSCiHEuyxTk8dCTsKeO8QtvCatWFMdGGV8I3pO9y8zHP2obp-gsxhuYn2U4xi7RWUAaY4WjbIkJ6hAwm9yT5Wngqf5I0WfscOom3Zvcza-UMqh8r49vJ8KCHU0N5nBqZM5a279O3dk4vybKNwyvfAIFUsUtoOEerG50-o14=','2026-11-29 04:33:59.664291');
INSERT INTO "idempotency_keys" VALUES('f1e5af96ac37f0bd78b310dcf2aff36a1a999ab93055d5fe6ad906186010694b','gAAAAABrC6s30ioKiRa38yM_P_Yd-tmsc0f0Mam1Iewy8NxUS4IHGzAg2yw3clgwbGfyA5oOybpxf8lHin35OY1cujpFTKIMe8PiLOeQecU1cB2w7agASZ2Hws9ItgPkPz67GuKLjoHpg4r1yCGVzFWqCHdKqS_rt77mqNLrUCcyvMNGVZrhnYXKOVDlBvqmarizVp04Lb4eXIPGVaOUhjFoyUDcz4LQWleN__DBPWjlE3_r_UXDU-yZj32VpivVuuxGvexHkVpEp-mcqQswAqL0MmI96p_FT3iglM8DS3zM3Bg4-kf1bR9hcMML8o-OYzhQzM8ZOgvo6CyScXJQ9WIhGZTpRKlcgdkauoGCSg8QBJ4aHsjOujGT-QC47dBKskBQKK0O73y3ErFJRmbmoArsHDw1zkihkcjMhMNEOMaahj-FWpkzsMLM4uUZSM32R0XINY9c3n4uAJio5r68lGYw8VCKImD_YAzu9sAS-9y7G3X4yCmTmIaruUv4aDUigHN3NWqmQZNK','2026-11-29 04:33:59.803859');
INSERT INTO "idempotency_keys" VALUES('f81588dbf7b480f4fba34ec9bc52394f33656ec81bd94aa354341573980b165d','gAAAAABrC6s3fid8KX5Y0W88xqaMzZKj7Xw3OYXqmk6xScuok_DJ6QSv4VJcUCCNE6bIOFY-CNdZvwMGkibGw9fRJtEwiE18KBh5rc9qCh5B8LVBU29hHVEJGlMjsvpZRQmOGLd55k12nYmOabaO9cP0h8WGNHRI_zUFpiSCFTNv1N749361wG18XO2m1f-1JkVg1HKlT9nizFgLl0pCz4uMjMWn8xdYGPDDgLK3YsTauruESl3sldjjwa99lAChBThT-hLsxfWJJxubC6lFU_dL92WVFR9BgFjAChrB4jl6IDJeoQshBVl6hb_gqXSQXydPUagqEFG0lPlQOdpdTRAif3COOQZjJ1CXeC-mB-NNy39Ef7kzTGeQ2Nc08bsjQjVZmreRqShTc0ydOKpnAGIIGh4PuXZYB5FKmzjzo6tPAgwghK5XNhg6K3FZImr2EyAVrLwIiFBymsmKqVQUK3aRvQx0gr5P_7vZyNQUXVSL3ku9jAAvZzW04-HLXuLHe1RnfQB1g41q','2026-11-29 04:33:59.900466');
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
CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('users',2);
INSERT INTO "sqlite_sequence" VALUES('products',1);
INSERT INTO "sqlite_sequence" VALUES('orders',1);
INSERT INTO "sqlite_sequence" VALUES('documents',1);
INSERT INTO "sqlite_sequence" VALUES('files',1);
COMMIT;
