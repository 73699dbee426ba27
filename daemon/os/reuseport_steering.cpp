#include "daemon/os/reuseport_steering.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "daemon/os/reuseport_turns.h"

namespace pmx {
namespace {

sock_filter instruction(int code, std::uint32_t value, std::uint8_t if_true = 0,
                        std::uint8_t if_false = 0) {
  return {static_cast<std::uint16_t>(code), if_true, if_false, value};
}

// The program's data begins behind the TCP header; what is before is found from the network header.
constexpr auto kNetwork = static_cast<std::uint32_t>(SKF_NET_OFF);
constexpr std::uint32_t kPlainIpv4 = 0x45;  // version 4, no options: what comes from this machine
constexpr std::uint32_t kIpv4Size = 20;
constexpr std::uint32_t kIpv6Size = 40;

void add_aimed(std::vector<sock_filter>& program, const std::vector<AimedClient>& aimed) {
  if (aimed.empty()) return;
  const auto behind = static_cast<std::uint8_t>(1 + 2 * aimed.size());
  program.push_back(instruction(BPF_LD | BPF_B | BPF_ABS, kNetwork));
  program.push_back(instruction(BPF_JMP | BPF_JEQ | BPF_K, kPlainIpv4, 0, 2));
  program.push_back(instruction(BPF_LD | BPF_H | BPF_ABS, kNetwork + kIpv4Size));
  program.push_back(instruction(BPF_JMP | BPF_JA, 3));
  program.push_back(instruction(BPF_ALU | BPF_AND | BPF_K, 0xf0));
  program.push_back(instruction(BPF_JMP | BPF_JEQ | BPF_K, 0x60, 0, behind));
  program.push_back(instruction(BPF_LD | BPF_H | BPF_ABS, kNetwork + kIpv6Size));
  for (const AimedClient& client : aimed) {
    program.push_back(instruction(BPF_JMP | BPF_JEQ | BPF_K, client.port, 0, 1));
    program.push_back(instruction(BPF_RET | BPF_K, static_cast<std::uint32_t>(client.index)));
  }
}

int steer_at_random(int socket, const std::vector<std::size_t>& indexes,
                    const std::vector<AimedClient>& aimed) {
  const std::size_t count = indexes.size();
  std::vector<sock_filter> program;
  add_aimed(program, aimed);
  program.push_back(instruction(BPF_LD | BPF_W | BPF_ABS,
                                static_cast<std::uint32_t>(SKF_AD_OFF) + SKF_AD_RANDOM));
  program.push_back(instruction(BPF_ALU | BPF_MOD | BPF_K, static_cast<std::uint32_t>(count)));
  const std::size_t first = indexes.front();
  if (indexes.back() - first == count - 1) {
    program.push_back(instruction(BPF_ALU | BPF_ADD | BPF_K, static_cast<std::uint32_t>(first)));
    program.push_back(instruction(BPF_RET | BPF_A, 0));
  } else {
    for (std::size_t i = 0; i + 1 < count; ++i) {
      program.push_back(
          instruction(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(i), 0, 1));
      program.push_back(instruction(BPF_RET | BPF_K, static_cast<std::uint32_t>(indexes[i])));
    }
    program.push_back(instruction(BPF_RET | BPF_K, static_cast<std::uint32_t>(indexes.back())));
  }
  const sock_fprog description{static_cast<unsigned short>(program.size()), program.data()};
  return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &description,
                      sizeof(description)) == 0
             ? 0
             : errno;
}

}  // namespace

int steer(int socket, std::vector<std::size_t> indexes, std::vector<AimedClient> aimed) {
  if (indexes.size() > kMostSteered) indexes.resize(kMostSteered);
  if (aimed.size() > kMostAimed) aimed.resize(kMostAimed);
  if (steer_in_turn(socket, indexes, aimed)) return 0;
  return steer_at_random(socket, indexes, aimed);
}

}  // namespace pmx
