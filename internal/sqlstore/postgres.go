package sqlstore

var postgres = dialect{numbered: "$"}
var mysql = dialect{}
