/* Which sockets are shared, and what a program's own socket hands on to the one that takes its place:
 * the same for a program that asks through libpmx-listen.so and for one whose calls the daemon sees
 * (daemon/cluster/seccomp_door.h). Plain C and system calls only. */
#ifndef PMX_DAEMON_SHIM_LISTEN_SOCKET_H
#define PMX_DAEMON_SHIM_LISTEN_SOCKET_H

#include <sys/socket.h>

#include "daemon/shim/listen_wire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fills in address, port and ipv6_only for bind(fd, address, size), and magic and version. 0: not a TCP
 * socket, or no port is named: not to be shared. */
int pmx_describe_socket(int fd, const struct sockaddr* address, socklen_t size,
                        struct pmx_listen_question* question);

/* Gives `given` the options that were set on `own` before bind, and its O_NONBLOCK. */
void pmx_make_alike(int own, int given);

/* 0 if it cannot be read. */
int pmx_socket_option(int fd, int level, int name);

#ifdef __cplusplus
}
#endif

#endif
