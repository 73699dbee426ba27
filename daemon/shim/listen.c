/* libpmx-listen.so: loaded (LD_PRELOAD) into programs that know nothing of pmx, so that the
 * instances of an app share the ports they bind. Does nothing unless PMX_TOKEN and PMX_LISTEN_SOCKET
 * were in the environment that the program was started with; PMX_LISTEN=off turns it off, and
 * PMX_LISTEN_PORTS=8080,8081 limits it to these ports.
 *
 *   bind      of a TCP socket to a port other than 0: the daemon is asked for the app's socket,
 *             which takes the place of the program's own. No answer: the real bind.
 *   listen    on any TCP socket: the daemon is told, which is how it knows that the program serves.
 *   shutdown  of a socket that was given: nothing; the real one would end it for the others.
 *
 * A given socket is known by its cookie (SO_COOKIE), a number that the kernel gives no other one:
 * neither dup, close, nor a descriptor number used again can mislead, not even in a vfork child,
 * which shares our memory.
 *
 * Only system calls: it must work in any libc, before main, in a forked child, in any thread and in
 * signal handlers. Sources: ld.so(8), bind(2), unix(7). */
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

#include "daemon/shim/listen_socket.h"
#include "daemon/shim/listen_wire.h"

#define PUBLIC __attribute__((visibility("default")))

enum {
  kMostGiven = 256, /* beyond that shutdown is what it is */
  kMostPorts = 32,
  kWaitMilliseconds = 2000, /* for a daemon that is just being replaced */
  kRetryMilliseconds = 20,
};

static char token[PMX_LISTEN_TOKEN_BYTES];
static struct sockaddr_un daemon_address;
static unsigned ports[kMostPorts]; /* none: all */
static unsigned port_count;
static int active;

/* The cookies of the sockets that were given to us, then 0. */
static uint64_t given_cookies[kMostGiven];

static uint64_t cookie_of(int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

static void remember(int fd) {
  const uint64_t cookie = cookie_of(fd);
  for (int i = 0; i < kMostGiven && cookie != 0; ++i) {
    uint64_t known = 0;
    if (__atomic_compare_exchange_n(&given_cookies[i], &known, cookie, 0, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED) ||
        known == cookie)
      return;
  }
}

static int is_given(int fd) {
  if (__atomic_load_n(&given_cookies[0], __ATOMIC_RELAXED) == 0) return 0;
  const int saved = errno;
  const uint64_t cookie = pmx_socket_option(fd, SOL_SOCKET, SO_ACCEPTCONN) ? cookie_of(fd) : 0;
  errno = saved;
  for (int i = 0; i < kMostGiven && cookie != 0; ++i) {
    const uint64_t known = __atomic_load_n(&given_cookies[i], __ATOMIC_RELAXED);
    if (known == cookie) return 1;
    if (known == 0) return 0;
  }
  return 0;
}

static void copy(char* to, const char* from, size_t size) {
  for (size_t i = 0; i < size; ++i) to[i] = from[i];
}

static void clear(void* at, size_t size) {
  for (size_t i = 0; i < size; ++i) ((volatile char*)at)[i] = 0;
}

/* --- What the program was started with --- */

static char ports_text[256];
static char switch_text[8];
static char path_text[sizeof(daemon_address.sun_path)];

static const struct {
  const char* name; /* with the "=" */
  char* value;
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
  for (const char* at = ports_text;; ++at) {
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

static long send_question(int fd, const struct pmx_listen_question* question) {
  long sent;
  do {
    sent = syscall(SYS_sendto, fd, question, sizeof(*question), MSG_NOSIGNAL, NULL, 0);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

/* Returns the descriptor, or -1 with `*error` as in pmx_listen_answer. */
static int ask_once(const struct pmx_listen_question* question, int* error, int* answered) {
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
    const struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
      given = *(const int*)(const void*)CMSG_DATA(header);
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
static int ask(const struct pmx_listen_question* question, int* error) {
  int answered = 0;
  int given = -1;
  for (int tries = 0; tries < 3 && !answered; ++tries) given = ask_once(question, error, &answered);
  return given;
}

/* --- Which sockets --- */

/* False: not ours to look after. */
static int describe(int fd, const struct sockaddr* address, socklen_t size,
                    struct pmx_listen_question* question) {
  if (!active || !pmx_describe_socket(fd, address, size, question)) return 0;
  copy(question->token, token, sizeof(token));
  if (port_count == 0) return 1;
  for (unsigned i = 0; i < port_count; ++i) {
    if (ports[i] == question->port) return 1;
  }
  return 0;
}

/* --- The hooks --- */

PUBLIC int bind(int fd, const struct sockaddr* address, socklen_t size) {
  struct pmx_listen_question question;
  const int saved = errno;
  if (describe(fd, address, size, &question)) {
    question.verb = PMX_LISTEN_BIND;
    int error;
    const int given = ask(&question, &error);
    if (given >= 0) {
      pmx_make_alike(fd, given);
      const long flags = syscall(SYS_fcntl, fd, F_GETFD);
      const long placed =
          syscall(SYS_dup3, given, fd, flags > 0 && (flags & FD_CLOEXEC) ? O_CLOEXEC : 0);
      syscall(SYS_close, given);
      if (placed >= 0) {
        remember(fd);
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
      describe(fd, (const struct sockaddr*)&address, size, &question)) {
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
  if (is_given(fd)) return 0;
  return (int)syscall(SYS_shutdown, fd, how);
}
