// What /proc tells about processes (proc(5)). Everything here is a snapshot: the process may be
// gone the next moment.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pmx::sys {

struct ProcessStat {
  char state = '?';  // 'Z' = zombie
  pid_t parent = 0;
  pid_t session = 0;
  int threads = 1;
  std::uint64_t cpu_ticks = 0;   // user + system, own threads only
  std::uint64_t start_time = 0;  // clock ticks since boot
  std::uint64_t rss_pages = 0;
};

// nullopt: no such process.
std::optional<ProcessStat> process_stat(pid_t pid);

// Children of all threads. Reads /proc/PID/task/*/children, or looks at every process where the
// kernel lacks that file. `threads`: how many the process has, if known; one costs a single read.
std::vector<pid_t> children_of(pid_t pid, int threads = 0);

// Whether an entry (NAME=VALUE) of the environment that the process was started with begins with
// this text. False if it may not be read.
bool has_environment(pid_t pid, std::string_view entry_begin);

// Inodes of the sockets that the process holds. Empty if it may not be read.
std::vector<std::uint64_t> socket_inodes(pid_t pid);

// Some process that holds one of these sockets. Looks at every process that it may read.
std::optional<pid_t> holder_of_socket(const std::vector<std::uint64_t>& inodes);

// Its command line with blanks between the words, cut to `most` bytes; its short name if it has
// none. Empty: no such process.
std::string command_text(pid_t pid, std::size_t most);

// Changes with each boot of the machine.
std::string boot_id();

}  // namespace pmx::sys
