// Package redisstore is a webhook.Store in Redis 7, to copy: eight methods in Go over a
// few scripts in Lua. docs/stores.md says how to write one for another storage. Any
// number of processes may use it at once.
//
// # What it survives
//
// A Dispatcher tells its caller that an event is safe when Enqueue has returned. How
// true that is, the server's settings decide:
//
//   - appendonly yes and appendfsync always: Redis answers after the append-only file
//     is on the disk. Nothing acknowledged is lost when the app or the server is
//     killed, nor when the machine loses its power. Each round of the server's loop
//     costs one fsync, which all clients of that round share.
//   - aof-load-truncated no, and redis-check-aof --fix before the server starts after a
//     crash: a server that dies while it writes may leave the first commands of a script
//     in the file. By default Redis 7 then cuts off the last command only, if that is
//     incomplete, and runs those before it at its next start but one, together with
//     what follows. The kill test found deliveries twice in the log for that reason.
//     redis-check-aof removes all that the script had written.
//   - appendfsync everysec, the default with an append-only file: the last second or two
//     before a power loss are gone, though they were acknowledged. A server that is
//     killed loses at most what it had not yet handed to the kernel, usually nothing.
//   - snapshots alone (save): everything since the last one is gone, minutes perhaps.
//   - a failover to a replica: replication is asynchronous, whatever appendfsync says.
//     What the new primary had not received is gone: an event is lost, and a delivery
//     whose outcome is gone is sent again. WAIT 1 on the connection of each script makes
//     this rare, but does not exclude it: WAIT waits for a replica's memory, not for its
//     disk (WAITAOF does, from Redis 7.2), another replica may be promoted, and a call
//     that only finds what another one has stored has nothing to wait for. If events
//     must survive the machine, use PostgreSQL or MariaDB as docs/scaling.md says.
//   - a maxmemory-policy other than noeviction removes whatever it likes.
//
// Open refuses a server that would lose acknowledged events by its settings. A service
// that does not let its users read them (CONFIG GET) is refused too.
//
// # What it cannot do
//
// Redis cannot join the transaction of the app's database. So there is no EmitTx: an app
// that emits after its commit loses the event if it dies in between.
//
// Everything is in memory: about 4 KB for a delivery with a body of 400 bytes, of which
// most are the orders in which it is looked for. Choose Options.Retention by what there is
// room for. At its maxmemory the server refuses writes, so Emit fails, and nothing that
// was acknowledged is lost.
package redisstore
