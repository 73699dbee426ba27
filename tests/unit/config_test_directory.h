// A directory of its own for a test, gone afterwards.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace pmx::test {

class Directory {
 public:
  Directory() {
    std::string pattern = "/tmp/pmxc-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  // With its directories. Returns the absolute path.
  std::string file(const std::string& name, const std::string& content, mode_t mode = 0644) const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    ::chmod(path.c_str(), mode);
    return path;
  }
  std::string program(const std::string& name, const std::string& content = "#!/bin/sh\n") const {
    return file(name, content, 0755);
  }

 private:
  std::string path_;
};

}  // namespace pmx::test
