/* libpmx-listen.so: loaded (LD_PRELOAD) into programs that know nothing of pmx, so that the
 * instances of an app share the ports they bind. Does nothing unless PMX_TOKEN and PMX_LISTEN_SOCKET
 * were in the environment that the program was started with; PMX_LISTEN=off turns it off, and
 * PMX_LISTEN_PORTS=8080,8081 limits it to these ports.
 *
 *   bind      of a TCP socket to a port other than 0: the daemon is asked for the app's socket,
 *             which takes the place of the program's own. No answer: the real bind.
 *   listen    on any TCP socket: the daemon is told, which is how it knows that the program serves.
 *   shutdown  of a socket that was given: nothing; the real one would end it for the others.
 *   close     forgets that the descriptor was given.
 *
 * Only system calls: it must work in any libc, before main, in a forked child, in any thread and in
 * signal handlers. Sources: ld.so(8), bind(2), unix(7). */
#include "daemon/shim/listen_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

enum {
  kMarkedFds = 65536,
  kMostPorts = 32,
  kWaitMilliseconds = 2000, /* for a daemon that is just being replaced */
  kRetryMilliseconds = 20,
};

static char token[PMX_LISTEN_TOKEN_BYTES];
static struct sockaddr_un daemon_address;
static unsigned ports[kMostPorts]; /* none: all */
static unsigned port_count;
static int active;

/* One bit for each descriptor that was given to us. */
static unsigned char marks[kMarkedFds / 8];

static void mark(int fd) {
  if (fd >= 0 && fd < kMarkedFds)
    __atomic_fetch_or(&marks[fd / 8], (unsigned char)(1U << (fd % 8)), __ATOMIC_RELAXED);
}

static void unmark(int fd) {
  if (fd >= 0 && fd < kMarkedFds)
    __atomic_fetch_and(&marks[fd / 8], (unsigned char)~(1U << (fd % 8)), __ATOMIC_RELAXED);
}

static int is_marked(int fd) {
  return fd >= 0 && fd < kMarkedFds &&
         (__atomic_load_n(&marks[fd / 8], __ATOMIC_RELAXED) & (1U << (fd % 8))) != 0;
}

static void copy(char *to, const char *from, size_t size) {
  for (size_t i = 0; i < size; ++i) to[i] = from[i];
}

static void clear(void *at, size_t size) {
  for (size_t i = 0; i < size; ++i) ((volatile char *)at)[i] = 0;
}

/* --- What the program was started with --- */

static char ports_text[256];
static char switch_text[8];
static char path_text[sizeof(daemon_address.sun_path)];

static const struct {
  const char *name; /* with the "=" */
  char *value;
  size_t room; /* with the final zero byte */
} kVariables[] = {
    {"PMX_TOKEN=", token, sizeof(token)},
    {"PMX_LISTEN_SOCKET=", path_text, sizeof(path_text)},
    {"PMX_LISTEN_PORTS=", ports_text, sizeof(ports_text)},
    {"PMX_LISTEN=", switch_text, sizeof(switch_text)},
};
enum { kVariableCount = sizeof(kVariables) / sizeof(kVariables[0]) };

/* The environment is read as the kernel keeps it: libc's may not be ready yet. */
static void read_environment(void) {
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/environ", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char block[4096];
  size_t matched[kVariableCount]; /* bytes of the name, then beyond it of the value */
  int open[kVariableCount];       /* the entry may still be this variable */
  for (int i = 0; i < kVariableCount; ++i) matched[i] = 0, open[i] = 1;
  long got;
  while ((got = syscall(SYS_read, fd, block, sizeof(block))) > 0) {
    for (long at = 0; at < got; ++at) {
      const char c = block[at];
      for (int i = 0; i < kVariableCount; ++i) {
        size_t length = 0;
        while (kVariables[i].name[length] != '\0') ++length;
        if (c == '\0') { /* the next entry begins */
          matched[i] = 0;
          open[i] = 1;
        } else if (!open[i]) {
          continue;
        } else if (matched[i] < length) {
          open[i] = kVariables[i].name[matched[i]++] == c;
        } else {
          const size_t place = matched[i]++ - length;
          if (place + 1 < kVariables[i].room) {
            kVariables[i].value[place] = c;
            kVariables[i].value[place + 1] = '\0';
          } else {
            kVariables[i].value[0] = '\0'; /* too long to be ours */
            open[i] = 0;
          }
        }
      }
    }
  }
  syscall(SYS_close, fd);
}

static void read_ports(void) {
  unsigned value = 0;
  for (const char *at = ports_text;; ++at) {
    if (*at >= '0' && *at <= '9' && value < 100000) {
      value = value * 10 + (unsigned)(*at - '0');
      continue;
    }
    if (value > 0 && port_count < kMostPorts) ports[port_count++] = value;
    value = 0;
    if (*at == '\0') return;
  }
}

__attribute__((constructor)) static void start(void) {
  read_environment();
  read_ports();
  const int off = switch_text[0] == 'o' && switch_text[1] == 'f' && switch_text[2] == 'f';
  daemon_address.sun_family = AF_UNIX;
  copy(daemon_address.sun_path, path_text, sizeof(path_text));
  active = token[0] != '\0' && path_text[0] == '/' && !off;
}

/* --- Asking --- */

static void pause_a_little(void) {
  const struct timespec time = {0, kRetryMilliseconds * 1000000L};
  syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &time, NULL);
}

/* A connection to the daemon, or -1. */
static int reach_daemon(void) {
  for (int waited = 0; waited <= kWaitMilliseconds; waited += kRetryMilliseconds) {
    const int fd = (int)syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    const struct timeval limit = {kWaitMilliseconds / 1000, 0};
    syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (syscall(SYS_connect, fd, &daemon_address, sizeof(daemon_address)) == 0) return fd;
    const int reason = errno;
    syscall(SYS_close, fd);
    if (reason != ENOENT && reason != ECONNREFUSED && reason != EAGAIN && reason != EINTR)
      return -1;
    pause_a_little();
  }
  return -1;
}

static long send_question(int fd, const struct pmx_listen_question *question) {
  long sent;
  do {
    sent = syscall(SYS_sendto, fd, question, sizeof(*question), MSG_NOSIGNAL, NULL, 0);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

/* Returns the descriptor, or -1 with `*error` as in pmx_listen_answer. */
static int ask_once(const struct pmx_listen_question *question, int *error, int *answered) {
  *error = -1;
  *answered = 1; /* nobody is there: asking again is no use */
  const int fd = reach_daemon();
  if (fd < 0) return -1;
  *answered = 0;
  int given = -1;
  if (send_question(fd, question) == (long)sizeof(*question)) {
    struct pmx_listen_answer answer;
    union {
      struct cmsghdr header;
      char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec data = {&answer, sizeof(answer)};
    struct msghdr message;
    clear(&message, sizeof(message));
    clear(&answer, sizeof(answer));
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof(control);
    long got;
    do {
      got = syscall(SYS_recvmsg, fd, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
      given = *(const int *)(const void *)CMSG_DATA(header);
    if (got == (long)sizeof(answer) && answer.magic == PMX_LISTEN_MAGIC) {
      *answered = 1;
      *error = answer.error;
    }
    if (*error == 0 && given < 0) *error = -1;
    if (*error != 0 && given >= 0) {
      syscall(SYS_close, given);
      given = -1;
    }
  }
  syscall(SYS_close, fd);
  return given;
}

/* The daemon may be replaced between question and answer: the next one is asked again. */
static int ask(const struct pmx_listen_question *question, int *error) {
  int answered = 0;
  int given = -1;
  for (int tries = 0; tries < 3 && !answered; ++tries)
    given = ask_once(question, error, &answered);
  return given;
}

/* --- Which sockets --- */

static int option(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  return syscall(SYS_getsockopt, fd, level, name, &value, &size) == 0 ? value : 0;
}

/* False: not ours to look after. */
static int describe(int fd, const struct sockaddr *address, socklen_t size,
                    struct pmx_listen_question *question) {
  if (!active || address == NULL) return 0;
  clear(question, sizeof(*question));
  question->magic = PMX_LISTEN_MAGIC;
  question->version = PMX_LISTEN_VERSION;
  copy(question->token, token, sizeof(token));
  if (address->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
    const struct sockaddr_in *ip = (const struct sockaddr_in *)(const void *)address;
    question->port = ntohs(ip->sin_port);
    copy((char *)question->address, (const char *)&ip->sin_addr, 4);
  } else if (address->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
    const struct sockaddr_in6 *ip = (const struct sockaddr_in6 *)(const void *)address;
    if (ip->sin6_scope_id != 0) return 0;
    question->ipv6 = 1;
    question->port = ntohs(ip->sin6_port);
    question->ipv6_only = option(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0;
    copy((char *)question->address, (const char *)&ip->sin6_addr, 16);
  }
  if (question->port == 0 || option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
      option(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP)
    return 0;
  if (port_count == 0) return 1;
  for (unsigned i = 0; i < port_count; ++i) {
    if (ports[i] == question->port) return 1;
  }
  return 0;
}

static void carry_over(int from, int to, int level, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  if (syscall(SYS_getsockopt, from, level, name, &value, &size) == 0 && value != 0)
    syscall(SYS_setsockopt, to, level, name, &value, size);
}

/* The kernel reports twice what was asked for, and cannot say that nothing was. */
static void carry_over_buffer(int from, int to, int name) {
  const int wanted = option(from, SOL_SOCKET, name);
  const int present = option(to, SOL_SOCKET, name);
  const int half = wanted / 2;
  if (wanted != present) syscall(SYS_setsockopt, to, SOL_SOCKET, name, &half, sizeof(half));
}

static void make_alike(int own, int given) {
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

/* --- The hooks --- */

PUBLIC int bind(int fd, const struct sockaddr *address, socklen_t size) {
  struct pmx_listen_question question;
  const int saved = errno;
  if (describe(fd, address, size, &question)) {
    question.verb = PMX_LISTEN_BIND;
    int error;
    const int given = ask(&question, &error);
    if (given >= 0) {
      make_alike(fd, given);
      const long flags = syscall(SYS_fcntl, fd, F_GETFD);
      const long placed =
          syscall(SYS_dup3, given, fd, flags > 0 && (flags & FD_CLOEXEC) ? O_CLOEXEC : 0);
      syscall(SYS_close, given);
      if (placed >= 0) {
        mark(fd);
        errno = saved;
        return 0;
      }
    } else if (error > 0) {
      errno = error;
      return -1;
    }
  }
  errno = saved;
  return (int)syscall(SYS_bind, fd, address, size);
}

PUBLIC int listen(int fd, int backlog) {
  const int result = (int)syscall(SYS_listen, fd, backlog);
  if (result != 0 || !active) return result;
  const int saved = errno;
  struct sockaddr_storage address;
  socklen_t size = sizeof(address);
  struct pmx_listen_question question;
  if (syscall(SYS_getsockname, fd, &address, &size) == 0 &&
      describe(fd, (const struct sockaddr *)&address, size, &question)) {
    question.verb = PMX_LISTEN_LISTENING;
    const int connection = reach_daemon();
    if (connection >= 0) {
      send_question(connection, &question);
      syscall(SYS_close, connection);
    }
  }
  errno = saved;
  return result;
}

PUBLIC int shutdown(int fd, int how) {
  if (is_marked(fd) && option(fd, SOL_SOCKET, SO_ACCEPTCONN)) return 0;
  return (int)syscall(SYS_shutdown, fd, how);
}

PUBLIC int close(int fd) {
  unmark(fd);
  return (int)syscall(SYS_close, fd);
}
