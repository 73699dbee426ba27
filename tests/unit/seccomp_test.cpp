#include "common/sys/seccomp.h"

#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>

namespace pmx::sys {
namespace {

// What the kernel does with the filter, as far as that goes.
std::uint32_t run(std::uint32_t architecture, int number) {
  std::uint32_t value = 0;
  for (std::size_t at = 0; at < bind_filter().size(); ++at) {
    const sock_filter& step = bind_filter()[at];
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        value = step.k == offsetof(seccomp_data, arch) ? architecture
                                                       : static_cast<std::uint32_t>(number);
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += value == step.k ? step.jt : step.jf;
        break;
      default:
        REQUIRE(step.code == (BPF_RET | BPF_K));
        return step.k;
    }
  }
  FAIL("no end");
  return 0;
}

TEST_CASE("only bind and listen of this architecture wait for an answer") {
#if defined(__x86_64__)
  constexpr std::uint32_t own = AUDIT_ARCH_X86_64;
#else
  constexpr std::uint32_t own = AUDIT_ARCH_AARCH64;
#endif
  for (int number = 0; number < 1000; ++number) {
    CAPTURE(number);
    const bool ours = number == SYS_bind || number == SYS_listen;
    CHECK(run(own, number) == (ours ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW));
    CHECK(run(AUDIT_ARCH_I386, number) == SECCOMP_RET_ALLOW);
    CHECK(run(AUDIT_ARCH_ARM, number) == SECCOMP_RET_ALLOW);
  }
}

}  // namespace
}  // namespace pmx::sys
