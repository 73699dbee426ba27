#include "daemon/os/reuseport_turns.h"

#include <linux/bpf.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "common/base/unique_fd.h"

namespace pmx {
namespace {

constexpr std::int32_t kNetwork = SKF_NET_OFF;
constexpr std::int32_t kPlainIpv4 = 0x45;
constexpr std::int32_t kIpv4Size = 20;
constexpr std::int32_t kIpv6Size = 40;
constexpr std::int16_t kCounterKey = -4;  // on the program's stack

// bpf(2) has no wrapper in the C library.
UniqueFd bpf(int command, bpf_attr& attributes) {
  return UniqueFd(static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes)));
}

// A number for all processors. Two connections at the very same moment may get the same turn.
UniqueFd make_counter() {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = sizeof(std::uint32_t);
  attributes.value_size = sizeof(std::uint32_t);
  attributes.max_entries = 1;
  return bpf(BPF_MAP_CREATE, attributes);
}

class Program {
 public:
  enum Register : std::uint8_t { r0, r1, r2, r6 = 6, stack = 10 };

  void add(int code, Register to, Register from, std::int16_t offset, std::int32_t value) {
    bpf_insn instruction{};
    instruction.code = static_cast<std::uint8_t>(code);
    instruction.dst_reg = to & 0xfU;
    instruction.src_reg = from & 0xfU;
    instruction.off = offset;
    instruction.imm = value;
    instructions_.push_back(instruction);
  }
  void move(Register to, Register from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  void calculate(int operation, Register to, std::int32_t value) {
    add(BPF_ALU | operation | BPF_K, to, r0, 0, value);
  }
  // Of the packet, into r0; clears r1 to r5. `size` is BPF_B or BPF_H.
  void load(int size, std::int32_t offset) { add(BPF_LD | BPF_ABS | size, r0, r0, 0, offset); }
  // Jumps over `count` instructions.
  void skip(std::int16_t count) { add(BPF_JMP | BPF_JA, r0, r0, count, 0); }
  void skip_unless_r0_is(std::int32_t value, std::int16_t count) {
    add(BPF_JMP | BPF_JNE | BPF_K, r0, r0, count, value);
  }
  void answer(std::size_t index) {
    add(BPF_ALU64 | BPF_MOV | BPF_K, r0, r0, 0, static_cast<std::int32_t>(index));
    answer_r0();
  }
  void answer_r0() { add(BPF_JMP | BPF_EXIT, r0, r0, 0, 0); }
  void answer_if_r0_is(std::int32_t value, std::size_t index) {
    skip_unless_r0_is(value, 2);
    answer(index);
  }
  void call(std::int32_t function) { add(BPF_JMP | BPF_CALL, r0, r0, 0, function); }
  void load_map(Register to, int map) {
    add(BPF_LD | BPF_DW | BPF_IMM, to, static_cast<Register>(BPF_PSEUDO_MAP_FD), 0, map);
    add(0, r0, r0, 0, 0);  // the upper half
  }

  [[nodiscard]] UniqueFd load_into_kernel() const {
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attributes.insns = reinterpret_cast<std::uint64_t>(instructions_.data());
    attributes.insn_cnt = static_cast<std::uint32_t>(instructions_.size());
    attributes.license = reinterpret_cast<std::uint64_t>("MIT");
    return bpf(BPF_PROG_LOAD, attributes);
  }

 private:
  std::vector<bpf_insn> instructions_;
};

void add_aimed(Program& program, const std::vector<AimedClient>& aimed) {
  if (aimed.empty()) return;
  program.load(BPF_B, kNetwork);
  program.skip_unless_r0_is(kPlainIpv4, 2);
  program.load(BPF_H, kNetwork + kIpv4Size);
  program.skip(3);
  program.calculate(BPF_AND, Program::r0, 0xf0);
  program.skip_unless_r0_is(0x60, static_cast<std::int16_t>(1 + 3 * aimed.size()));
  program.load(BPF_H, kNetwork + kIpv6Size);
  for (const AimedClient& client : aimed) program.answer_if_r0_is(client.port, client.index);
}

// The number of this connection, into r0.
void add_count(Program& program, int counter) {
  program.add(BPF_ST | BPF_MEM | BPF_W, Program::stack, Program::r0, kCounterKey, 0);
  program.move(Program::r2, Program::stack);
  program.add(BPF_ALU64 | BPF_ADD | BPF_K, Program::r2, Program::r0, 0, kCounterKey);
  program.load_map(Program::r1, counter);
  program.call(BPF_FUNC_map_lookup_elem);
  program.skip_unless_r0_is(0, 1);
  program.answer_r0();  // the verifier wants it; there is always a counter
  program.add(BPF_LDX | BPF_MEM | BPF_W, Program::r1, Program::r0, 0, 0);
  program.move(Program::r2, Program::r1);
  program.calculate(BPF_ADD, Program::r2, 1);
  program.add(BPF_STX | BPF_MEM | BPF_W, Program::r0, Program::r2, 0, 0);
  program.move(Program::r0, Program::r1);
}

}  // namespace

bool steer_in_turn(int socket, const std::vector<std::size_t>& indexes,
                   const std::vector<AimedClient>& aimed) {
  const UniqueFd counter = make_counter();
  if (!counter) return false;
  Program program;
  program.move(Program::r6, Program::r1);  // where loads from the packet look for it
  add_aimed(program, aimed);
  add_count(program, counter.get());
  program.calculate(BPF_MOD, Program::r0, static_cast<std::int32_t>(indexes.size()));
  for (std::size_t i = 0; i + 1 < indexes.size(); ++i)
    program.answer_if_r0_is(static_cast<std::int32_t>(i), indexes[i]);
  program.answer(indexes.back());
  const UniqueFd loaded = program.load_into_kernel();
  if (!loaded) return false;
  const int fd = loaded.get();
  return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &fd, sizeof fd) == 0;
}

}  // namespace pmx
