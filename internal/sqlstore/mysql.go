package sqlstore

var mysql = dialect{}
