package sqlstore

import (
	"maps"
	"strings"
	"testing"
)

func TestServersThatTheStoreIsNotTestedWithAreRefused(t *testing.T) {
	for version, ok := range map[string]bool{
		"10.11.19-MariaDB-0+deb12u1":     true,
		"10.6.0-MariaDB":                 true,
		"11.4.2-MariaDB-log":             true,
		"5.5.5-10.6.16-MariaDB":          true,
		"10.5.27-MariaDB":                false,
		"5.5.68-MariaDB":                 false,
		"8.0.36":                         false,
		"8.4.0":                          false,
		"8.0.35-27.1":                    false, // Percona XtraDB Cluster
		"8.0.11-TiDB-v7.5.0":             false,
		"5.7.25-vitess":                  false,
		"":                               false,
		"MariaDB":                        false,
		"10.11.6-MariaDB-enterprise-log": true,
	} {
		err := variables{"version": version}.checkVersion()
		if (err == nil) != ok {
			t.Errorf("the version %q is refused with %v", version, err)
		}
		if err != nil && !strings.Contains(err.Error(), "version is ") {
			t.Errorf("the error for the version %q does not name it: %v", version, err)
		}
	}
}

// What a replica says cannot be tried on the server of the other tests, which all of
// them write to.
func TestServersThatTakeNoWritesAreRefused(t *testing.T) {
	for _, c := range []struct {
		v       variables
		app     bool
		refusal string
	}{
		{variables{"read_only": "OFF", "innodb_read_only": "OFF", "tx_read_only": "OFF"}, false, ""},
		{variables{"read_only": "0"}, false, ""},
		{variables{"read_only": "ON"}, false, "connect to the primary"},
		{variables{"read_only": "NO_LOCK_NO_ADMIN"}, true, "connect to the primary"}, // MariaDB 12
		{variables{"innodb_read_only": "ON"}, true, "connect to the primary"},
		{variables{"tx_read_only": "ON"}, false, "tx_read_only is"},
		{variables{"transaction_read_only": "ON"}, false, "transaction_read_only is"},
		{variables{"transaction_read_only": "ON"}, true, ""}, // the app's own transaction may write
	} {
		err := c.v.checkWritable(c.app)
		if (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("%v: %v, want %q", c.v, err, c.refusal)
		}
	}
}

// Most of these can be set for a whole server only.
func TestServersThatMayLoseWhatIsWrittenAreRefused(t *testing.T) {
	good := func() variables {
		return variables{"innodb_flush_log_at_trx_commit": "1", "innodb_doublewrite": "ON", "log_bin": "ON", "sql_log_bin": "ON", "sync_binlog": "1", "binlog_format": "MIXED"}
	}
	for _, c := range []struct {
		name, value string
		others      variables
		relaxed     bool // Options.Relaxed accepts it
		refused     bool
	}{
		{name: "innodb_doublewrite", value: "ON"},
		{name: "innodb_doublewrite", value: "fast"}, // MariaDB 11.8
		{name: "innodb_doublewrite", value: "OFF", refused: true, relaxed: true},
		{name: "innodb_doublewrite", value: "0", refused: true, relaxed: true},
		{name: "innodb_flush_log_at_trx_commit", value: "2", refused: true, relaxed: true},
		{name: "innodb_flush_log_at_trx_commit", value: "3"},
		{name: "sync_binlog", value: "0", refused: true, relaxed: true},
		{name: "sync_binlog", value: "0", others: variables{"log_bin": "OFF"}},
		{name: "sql_log_bin", value: "OFF", refused: true, relaxed: true},
		{name: "sql_log_bin", value: "OFF", others: variables{"log_bin": "OFF"}},
		{name: "binlog_format", value: "STATEMENT", refused: true},
	} {
		for _, relaxed := range []bool{false, true} {
			v := good()
			maps.Copy(v, c.others)
			v[c.name] = c.value
			err := v.checkDurability(relaxed)
			if want := c.refused && !(relaxed && c.relaxed); (err != nil) != want || want && !strings.Contains(err.Error(), c.name+" is ") {
				t.Errorf("%s=%s with %v, relaxed %v: %v", c.name, c.value, c.others, relaxed, err)
			}
		}
	}
}
