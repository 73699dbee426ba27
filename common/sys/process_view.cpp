#include "common/sys/process_view.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "common/sys/pidfd.h"
#include "common/sys/proc_fs.h"

namespace pmx::sys {
namespace {

// What follows `name` and blanks in a line of a file in /proc. Empty: no such line, or file.
std::string value_in(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    const std::size_t begin = line.find_first_not_of(" \t", name.size());
    return begin == std::string::npos ? std::string() : line.substr(begin);
  }
  return {};
}

}  // namespace

bool read_memory(pid_t pid, std::uint64_t address, void* to, std::size_t size) noexcept {
  const iovec local{to, size};
  const iovec remote{reinterpret_cast<void*>(address), size};
  const ssize_t got = ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
  if (got >= 0 && static_cast<std::size_t>(got) < size) errno = EFAULT;
  return got == static_cast<ssize_t>(size);
}

std::optional<pid_t> process_of_thread(pid_t tid) {
  const std::string text = value_in(fmt::format("/proc/{}/status", tid), "Tgid:");
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  return pid > 0 ? std::optional(pid) : std::nullopt;
}

UniqueFd descriptor_of(pid_t pid, int number) {
  const UniqueFd process = pidfd_open(pid);
  if (!process) {
    errno = ESRCH;
    return {};
  }
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0U)));
}

bool is_close_on_exec(pid_t pid, int number) {
  const std::string text = value_in(fmt::format("/proc/{}/fdinfo/{}", pid, number), "flags:");
  constexpr int kOctal = 8;
  unsigned flags = 0;
  std::from_chars(text.data(), text.data() + text.size(), flags, kOctal);
  return (flags & static_cast<unsigned>(O_CLOEXEC)) != 0;
}

std::vector<pid_t> process_tree(pid_t pid) {
  std::vector<pid_t> tree{pid};
  for (std::size_t i = 0; i < tree.size(); ++i) {
    for (const pid_t child : children_of(tree[i])) tree.push_back(child);
  }
  return tree;
}

std::vector<pid_t> threads_in_call(pid_t pid, std::initializer_list<int> calls) {
  std::vector<pid_t> threads;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), error)) {
    std::string line;
    std::ifstream(entry.path() / "syscall") >> line;
    int number = -1;
    std::from_chars(line.data(), line.data() + line.size(), number);
    if (std::find(calls.begin(), calls.end(), number) == calls.end()) continue;
    const std::string name = entry.path().filename();
    pid_t tid = 0;
    std::from_chars(name.data(), name.data() + name.size(), tid);
    if (tid > 0) threads.push_back(tid);
  }
  return threads;
}

void interrupt_call(pid_t pid, pid_t tid) noexcept {
  // The first wakes just that thread; the second takes the first back if it has not acted yet.
  ::syscall(SYS_tgkill, pid, tid, SIGSTOP);
  ::syscall(SYS_tgkill, pid, tid, SIGCONT);
}

}  // namespace pmx::sys
