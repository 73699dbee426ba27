// What is answered to a request for a file. Any number of threads at a time.
#pragma once

#include <httplib.h>
#include <sys/stat.h>

#include <atomic>
#include <string>
#include <utility>

#include "common/base/unique_fd.h"

namespace pmx::serve {

struct Settings {
  std::string root = ".";
  std::string host = "0.0.0.0";
  int port = 8080;
  bool spa = false;                      // what is not there is the home page
  bool listing = false;                  // of directories without a home page
  std::string home_page = "index.html";  // of the root; directories below have index.html
  std::string authorization;             // the header that is demanded; empty: none

  // PM2_SERVE_*. Throws std::runtime_error naming the variable.
  static Settings from_environment();
};

class FileServer {
 public:
  explicit FileServer(Settings settings) : settings_(std::move(settings)) {}

  // GET and HEAD: 200, 206, 301, 304, 401, 404 or 416; one range of bytes at a time.
  void answer(const httplib::Request& request, httplib::Response& response) const;
  // Until no file is being sent: the library cuts what is under way when it is stopped.
  void wait_until_sent() const;

 private:
  void answer_directory(const httplib::Request& request, httplib::Response& response,
                        const std::string& path, UniqueFd directory) const;
  void answer_missing(const httplib::Request& request, httplib::Response& response) const;
  // False: it is no file that can be sent.
  bool send_file(const httplib::Request& request, httplib::Response& response,
                 const std::string& path, UniqueFd fd) const;
  void send_listing(const httplib::Request& request, httplib::Response& response,
                    UniqueFd directory) const;

  Settings settings_;
  mutable std::atomic<int> sending_ = 0;
};

}  // namespace pmx::serve
