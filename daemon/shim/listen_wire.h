/* What libpmx-listen.so and the daemon say to each other: one question and one answer per connection
 * of a SOCK_SEQPACKET socket (PMX_LISTEN_SOCKET), of one machine and one installation, so structs
 * travel as they are. With a positive answer to PMX_LISTEN_BIND comes a descriptor (SCM_RIGHTS).
 * Plain C: the library knows no C++. */
#ifndef PMX_DAEMON_SHIM_LISTEN_WIRE_H
#define PMX_DAEMON_SHIM_LISTEN_WIRE_H

#include <stdint.h>

#define PMX_LISTEN_MAGIC 0x706d786cU /* "pmxl" */
#define PMX_LISTEN_VERSION 1U
#define PMX_LISTEN_TOKEN_BYTES 128U

enum pmx_listen_verb {
  PMX_LISTEN_BIND = 1,      /* give me the socket for this address */
  PMX_LISTEN_LISTENING = 2, /* I listen on this address; no answer comes */
};

struct pmx_listen_question {
  uint32_t magic;
  uint32_t version;
  uint32_t verb;
  uint32_t ipv6;      /* 1: sixteen bytes of address, else four */
  uint32_t ipv6_only; /* IPV6_V6ONLY of the asker's socket */
  uint32_t port;      /* 1 to 65535 */
  uint8_t address[16];
  char token[PMX_LISTEN_TOKEN_BYTES]; /* PMX_TOKEN of the asker, ends with a zero byte */
};

struct pmx_listen_answer {
  uint32_t magic;
  int32_t
      error; /* 0: the descriptor is yours; > 0: bind fails with this errno; < 0: bind yourself */
};

#endif
