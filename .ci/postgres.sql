-- The role and the database that the tests use. Running it again is harmless.
SELECT 'CREATE ROLE listhook LOGIN CREATEDB PASSWORD ''listhook'''
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'listhook') \gexec
SELECT 'CREATE DATABASE listhook OWNER listhook'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'listhook') \gexec
