#include "daemon/shim/listen_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static void copy(char *to, const char *from, size_t size) {
  for (size_t i = 0; i < size; ++i) to[i] = from[i];
}

static void clear(void *at, size_t size) {
  for (size_t i = 0; i < size; ++i) ((volatile char *)at)[i] = 0;
}

int pmx_socket_option(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  return syscall(SYS_getsockopt, fd, level, name, &value, &size) == 0 ? value : 0;
}

int pmx_describe_socket(int fd, const struct sockaddr *address, socklen_t size,
                        struct pmx_listen_question *question) {
  if (address == NULL) return 0;
  clear(question, sizeof(*question));
  question->magic = PMX_LISTEN_MAGIC;
  question->version = PMX_LISTEN_VERSION;
  if (address->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
    const struct sockaddr_in *ip = (const struct sockaddr_in *)(const void *)address;
    question->port = ntohs(ip->sin_port);
    copy((char *)question->address, (const char *)&ip->sin_addr, 4);
  } else if (address->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
    const struct sockaddr_in6 *ip = (const struct sockaddr_in6 *)(const void *)address;
    if (ip->sin6_scope_id != 0) return 0;
    question->ipv6 = 1;
    question->port = ntohs(ip->sin6_port);
    question->ipv6_only = pmx_socket_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0;
    copy((char *)question->address, (const char *)&ip->sin6_addr, 16);
  }
  return question->port != 0 && pmx_socket_option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM &&
         pmx_socket_option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP;
}

static void carry_over(int from, int to, int level, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  if (syscall(SYS_getsockopt, from, level, name, &value, &size) == 0 && value != 0)
    syscall(SYS_setsockopt, to, level, name, &value, size);
}

/* The kernel reports twice what was asked for, and cannot say that nothing was. */
static void carry_over_buffer(int from, int to, int name) {
  const int wanted = pmx_socket_option(from, SOL_SOCKET, name);
  const int present = pmx_socket_option(to, SOL_SOCKET, name);
  const int half = wanted / 2;
  if (wanted != present) syscall(SYS_setsockopt, to, SOL_SOCKET, name, &half, sizeof(half));
}

void pmx_make_alike(int own, int given) {
  carry_over(own, given, SOL_SOCKET, SO_KEEPALIVE);
  carry_over_buffer(own, given, SO_RCVBUF);
  carry_over_buffer(own, given, SO_SNDBUF);
  carry_over(own, given, IPPROTO_TCP, TCP_NODELAY);
  carry_over(own, given, IPPROTO_TCP, TCP_DEFER_ACCEPT);
  carry_over(own, given, IPPROTO_TCP, TCP_FASTOPEN);
  struct linger linger;
  socklen_t size = sizeof(linger);
  if (syscall(SYS_getsockopt, own, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff)
    syscall(SYS_setsockopt, given, SOL_SOCKET, SO_LINGER, &linger, size);
  /* Of the open file, not of the descriptor: the given one comes as another instance left it. */
  const long flags = syscall(SYS_fcntl, own, F_GETFL);
  const long present = syscall(SYS_fcntl, given, F_GETFL);
  if (flags >= 0 && present >= 0)
    syscall(SYS_fcntl, given, F_SETFL, (present & ~(long)O_NONBLOCK) | (flags & O_NONBLOCK));
}
