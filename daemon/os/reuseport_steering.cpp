#include "daemon/os/reuseport_steering.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace pmx {
namespace {

sock_filter instruction(int code, std::uint32_t value, std::uint8_t if_true = 0,
                        std::uint8_t if_false = 0) {
  return {static_cast<std::uint16_t>(code), if_true, if_false, value};
}

}  // namespace

int steer(int socket, const std::vector<std::size_t>& indexes) {
  const std::size_t count = std::min(indexes.size(), kMostSteered);
  std::vector<sock_filter> program;
  program.push_back(instruction(BPF_LD | BPF_W | BPF_ABS,
                                static_cast<std::uint32_t>(SKF_AD_OFF) + SKF_AD_RANDOM));
  program.push_back(instruction(BPF_ALU | BPF_MOD | BPF_K, static_cast<std::uint32_t>(count)));
  const std::size_t first = indexes.front();
  if (indexes[count - 1] - first == count - 1) {
    program.push_back(instruction(BPF_ALU | BPF_ADD | BPF_K, static_cast<std::uint32_t>(first)));
    program.push_back(instruction(BPF_RET | BPF_A, 0));
  } else {
    for (std::size_t i = 0; i + 1 < count; ++i) {
      program.push_back(
          instruction(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(i), 0, 1));
      program.push_back(instruction(BPF_RET | BPF_K, static_cast<std::uint32_t>(indexes[i])));
    }
    program.push_back(instruction(BPF_RET | BPF_K, static_cast<std::uint32_t>(indexes[count - 1])));
  }
  const sock_fprog description{static_cast<unsigned short>(program.size()), program.data()};
  return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &description,
                      sizeof(description)) == 0
             ? 0
             : errno;
}

}  // namespace pmx
