// Makes the sockets of a ListenRequest, and tells what an existing one is.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/base/unique_fd.h"
#include "daemon/ports/listener_set.h"

namespace pmx {

struct OpenedSocket {
  UniqueFd fd;  // non-blocking, close-on-exec
  int error = 0;
};

// Bound, and listening unless it is UDP. A Unix path that nobody serves is replaced.
OpenedSocket open_listening_socket(const ListenRequest& request);
// TCP only: bound but not listening, without SO_REUSEPORT: fails if anybody has the port.
OpenedSocket claim_port(const ListenRequest& request);
// One more listening TCP socket on the address of `socket`, with SO_REUSEPORT: of its group if it
// has that too.
OpenedSocket open_group_member(int socket, int backlog);

// "tcp 127.0.0.1:3000", "udp [::]:53", "unix /run/x.sock"
std::string describe_socket(int fd);
// 0: no TCP socket.
int tcp_port_of(int fd);
// Connections that nobody has accepted; 0 for other sockets.
int accept_queue_length(int fd);

// Where a Unix socket is in the file system. The inode tells whether the path is still ours when
// it is to be removed.
struct SocketPlace {
  std::string path;  // empty: none
  dev_t device = 0;
  ino_t inode = 0;
};
SocketPlace place_of_socket(int fd);
// Unless something else is there by now.
void remove_socket_file(const SocketPlace& place);

}  // namespace pmx
