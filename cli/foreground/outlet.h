// Outlet: stdout or stderr of `pmx run`. Takes everything at once and hands it on as fast as its reader
// takes it, so that a reader that stands still never holds up the loop.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace pmx::cli {

class Outlet {
 public:
  // `fd` is borrowed, and need not be non-blocking: others may share it.
  explicit Outlet(int fd);
  ~Outlet();
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  void write(std::string_view bytes) { pending_ += bytes; }
  // A stream that writes here.
  [[nodiscard]] std::FILE* file() const noexcept { return file_; }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  // Whoever reads for us should go on.
  [[nodiscard]] bool has_room() const noexcept { return pending_.size() - begin_ < kEnough; }
  [[nodiscard]] bool is_empty() const noexcept { return pending_.size() == begin_; }
  // Nobody reads it any more; what is written then is dropped.
  [[nodiscard]] bool is_broken() const noexcept { return is_broken_; }

  // Hands on what the reader takes without waiting.
  void flush();
  // The same to the end, unless nothing is taken for `patience` milliseconds. False: bytes are left.
  bool finish(int patience);

 private:
  static constexpr std::size_t kEnough = std::size_t{256} << 10U;

  [[nodiscard]] bool is_writable(int wait) const;

  int fd_;
  std::FILE* file_;
  std::string pending_;
  std::size_t begin_ = 0;
  bool is_broken_ = false;
};

}  // namespace pmx::cli
