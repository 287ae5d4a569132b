package redisstore

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/internal/freeport"
)

// A server is a redis-server of the test's own, which it may kill.
type server struct {
	port    string
	dir     string
	args    []string
	process *exec.Cmd
	log     bytes.Buffer
}

// newServer starts a server that loses nothing, unless settings say otherwise, for as
// long as the test lasts. Without redis-server the test is skipped, unless
// LISTHOOK_REQUIRE, a list of words, holds "redis".
func newServer(t *testing.T, settings ...string) *server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), "redis") {
			t.Fatalf("LISTHOOK_REQUIRE asks for redis: %v", err)
		}
		t.Skip(err)
	}
	port, err := freeport.Pick()
	require.NoError(t, err)
	s := &server{port: port, dir: t.TempDir()}
	s.args = append([]string{
		program, "--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--aof-load-truncated", "no",
	}, settings...)
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

// start repairs what a crash has left, starts the server and waits until it answers.
func (s *server) start(t *testing.T) {
	t.Helper()
	if manifest := filepath.Join(s.dir, "appendonlydir", "appendonly.aof.manifest"); fileExists(manifest) {
		repair := exec.Command("redis-check-aof", "--fix", manifest)
		repair.Stdin = strings.NewReader("y\n")
		out, err := repair.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	s.process = exec.Command(s.args[0], s.args[1:]...)
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	require.NoError(t, s.process.Start())
	client := redis.NewClient(s.options())
	defer client.Close()
	for range 600 {
		if client.Ping(t.Context()).Err() == nil { // not while it is loading
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.kill()
	t.Fatalf("redis-server does not answer:\n%s", &s.log)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// kill ends the server as a crash does.
func (s *server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

func (s *server) options() *redis.Options {
	return &redis.Options{Addr: net.JoinHostPort("127.0.0.1", s.port)}
}
