-- The users and the database that the tests use. Running it again is harmless.
CREATE DATABASE IF NOT EXISTS listhook;
CREATE USER IF NOT EXISTS 'listhook'@'localhost' IDENTIFIED BY 'listhook';
CREATE USER IF NOT EXISTS 'listhook'@'127.0.0.1' IDENTIFIED BY 'listhook';
GRANT ALL ON `listhook%`.* TO 'listhook'@'localhost';
GRANT ALL ON `listhook%`.* TO 'listhook'@'127.0.0.1';
