-- The user that the tests use, who may make databases listhook_... Running it
-- again is harmless.
CREATE USER IF NOT EXISTS 'listhook'@'localhost' IDENTIFIED BY 'listhook';
CREATE USER IF NOT EXISTS 'listhook'@'127.0.0.1' IDENTIFIED BY 'listhook';
GRANT ALL ON `listhook%`.* TO 'listhook'@'localhost';
GRANT ALL ON `listhook%`.* TO 'listhook'@'127.0.0.1';
