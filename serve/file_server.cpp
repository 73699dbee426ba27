#include "serve/file_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "serve/content_types.h"
#include "serve/open_beneath.h"

namespace pmx::serve {
namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10U;
constexpr std::size_t kMaxListed = 10000;
constexpr std::string_view kPlain = "text/plain; charset=utf-8";

std::string variable(const char* name, const std::string& otherwise = {}) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

bool is_set(const char* name) {
  const std::string value = variable(name);
  return !value.empty() && value != "false" && value != "0";
}

std::string http_date(std::time_t time) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(time));
}

// Changes with the content, the file and where it is put in place of another.
std::string entity_tag(const struct stat& info) {
  return fmt::format("\"{:x}-{:x}-{:x}.{:x}\"", info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

bool names_tag(const std::string& list, const std::string& tag) {
  return list == "*" || list.find(tag) != std::string::npos;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string url_of(const std::string& name) {
  constexpr std::string_view kSafe =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : name) {
    if (kSafe.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

bool is_directory(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
}

// One range with both of its ends in the file, or none for the whole of it (several are answered
// so, too). False: it is not in the file.
bool fit_ranges(httplib::Ranges& ranges, ssize_t size) {
  if (ranges.size() != 1) {
    ranges.clear();
    return true;
  }
  auto& [first, last] = ranges.front();
  if (first < 0) {
    // The last bytes, so many.
    if (last <= 0 || size == 0) return false;
    first = std::max<ssize_t>(0, size - last);
    last = size - 1;
  } else {
    last = last < 0 ? size - 1 : std::min(last, size - 1);
  }
  return first <= last;
}

// In a time that does not tell how much of it is right.
bool equal_secrets(const std::string& given, const std::string& wanted) {
  int difference = given.size() == wanted.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const char other = wanted.empty() ? '\0' : wanted[i % wanted.size()];
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(other);
  }
  return difference == 0;
}

}  // namespace

Settings Settings::from_environment() {
  Settings settings;
  settings.root = variable("PM2_SERVE_PATH", settings.root);
  settings.host = variable("PM2_SERVE_HOST", settings.host);
  settings.home_page = variable("PM2_SERVE_HOMEPAGE", settings.home_page);
  settings.spa = is_set("PM2_SERVE_SPA");
  settings.listing = is_set("PM2_SERVE_FTP");
  const std::string port = variable("PM2_SERVE_PORT", variable("PORT", "8080"));
  char* end = nullptr;
  const long number = std::strtol(port.c_str(), &end, 10);
  if (*end != '\0' || number < 1 || number > 65535)
    throw std::runtime_error(fmt::format("PM2_SERVE_PORT: \"{}\" is no port", port));
  settings.port = static_cast<int>(number);
  if (is_set("PM2_SERVE_BASIC_AUTH")) {
    const std::string user = variable("PM2_SERVE_BASIC_AUTH_USERNAME");
    const std::string password = variable("PM2_SERVE_BASIC_AUTH_PASSWORD");
    if (user.empty() || password.empty())
      throw std::runtime_error(
          "PM2_SERVE_BASIC_AUTH needs PM2_SERVE_BASIC_AUTH_USERNAME and _PASSWORD");
    settings.authorization = httplib::make_basic_authentication_header(user, password).second;
  }
  return settings;
}

void FileServer::answer(const httplib::Request& request, httplib::Response& response) const {
  response.set_header("Access-Control-Allow-Origin", "*");
  response.set_header("X-Content-Type-Options", "nosniff");
  if (!settings_.authorization.empty() &&
      !equal_secrets(request.get_header_value("Authorization"), settings_.authorization)) {
    response.status = 401;
    response.set_header("WWW-Authenticate", "Basic realm=\"pmx-serve\", charset=\"UTF-8\"");
    response.set_content("401: who are you?\n", std::string(kPlain));
    return;
  }
  const std::string path = visible_path(request.path);
  UniqueFd fd = path.empty() ? UniqueFd() : open_beneath(settings_.root, path);
  if (!fd) {
    answer_missing(request, response);
  } else if (is_directory(fd.get())) {
    answer_directory(request, response, path, std::move(fd));
  } else if (request.path.back() == '/' || !send_file(request, response, path, std::move(fd))) {
    answer_missing(request, response);
  }
}

void FileServer::wait_until_sent() const {
  for (int count = sending_; count != 0; count = sending_) sending_.wait(count);
}

void FileServer::answer_directory(const httplib::Request& request, httplib::Response& response,
                                  const std::string& path, UniqueFd directory) const {
  // Relative links in the page need the slash.
  if (request.path.back() != '/') {
    std::string url;
    for (std::size_t start = 0; start < path.size();) {
      const std::size_t end = std::min(path.find('/', start), path.size());
      url += "/" + url_of(path.substr(start, end - start));
      start = end + 1;
    }
    response.set_redirect(url + "/", 301);
    return;
  }
  const std::string page = path + "/" + (path == "." ? settings_.home_page : "index.html");
  UniqueFd fd = open_beneath(settings_.root, page);
  if (fd && send_file(request, response, page, std::move(fd))) return;
  if (settings_.listing) {
    send_listing(request, response, std::move(directory));
  } else {
    answer_missing(request, response);
  }
}

void FileServer::answer_missing(const httplib::Request& request,
                                httplib::Response& response) const {
  if (settings_.spa) {
    UniqueFd page = open_beneath(settings_.root, settings_.home_page);
    if (page && send_file(request, response, settings_.home_page, std::move(page))) return;
  }
  response.status = 404;
  const UniqueFd page = open_beneath(settings_.root, "404.html");
  std::array<char, kBlock> block;
  const ssize_t size = page ? ::pread(page.get(), block.data(), block.size(), 0) : -1;
  if (size > 0) {
    response.set_content(block.data(), static_cast<std::size_t>(size), "text/html; charset=utf-8");
  } else {
    response.set_content("404: not found\n", std::string(kPlain));
  }
}

bool FileServer::send_file(const httplib::Request& request, httplib::Response& response,
                           const std::string& path, UniqueFd fd) const {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  const std::string tag = entity_tag(info);
  const std::string changed = http_date(info.st_mtim.tv_sec);
  response.set_header("ETag", tag);
  response.set_header("Last-Modified", changed);
  response.set_header("Cache-Control", "no-cache");
  response.set_header("Accept-Ranges", "bytes");
  const bool is_known = request.has_header("If-None-Match")
                            ? names_tag(request.get_header_value("If-None-Match"), tag)
                            : request.get_header_value("If-Modified-Since") == changed;
  if (is_known) {
    response.status = 304;
    return true;
  }
  // The library takes the ranges from its own request, which is no constant, and does not compare
  // them with the length; it has no other way to be told.
  httplib::Ranges& ranges = const_cast<httplib::Request&>(request).ranges;
  if (request.has_header("If-Range") && request.get_header_value("If-Range") != tag &&
      request.get_header_value("If-Range") != changed)
    ranges.clear();  // a part of the new content must not be put to one of the old
  if (!fit_ranges(ranges, info.st_size)) {
    ranges.clear();
    response.status = 416;
    response.set_header("Content-Range", fmt::format("bytes */{}", info.st_size));
    response.set_content("416: that range is not in the file\n", std::string(kPlain));
    return true;
  }
  response.status = ranges.empty() ? 200 : 206;
  if (info.st_size == 0) {
    response.set_content("", content_type(path));
    return true;
  }
  // The file that was opened is sent to its end, whatever is put in its place meanwhile.
  auto file = std::make_shared<UniqueFd>(std::move(fd));
  ++sending_;
  response.set_content_provider(
      static_cast<std::size_t>(info.st_size), content_type(path),
      [file](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
        std::array<char, kBlock> block;
        const ssize_t size = ::pread(file->get(), block.data(), std::min(length, block.size()),
                                     static_cast<off_t>(offset));
        // It has become shorter: the connection is cut, so that nobody takes it for whole.
        return size > 0 && sink.write(block.data(), static_cast<std::size_t>(size));
      },
      [this](bool) {
        --sending_;
        sending_.notify_all();
      });
  return true;
}

void FileServer::send_listing(const httplib::Request& request, httplib::Response& response,
                              UniqueFd directory) const {
  std::vector<std::string> names;
  DIR* const stream = ::fdopendir(directory.get());
  if (stream == nullptr) return answer_missing(request, response);
  static_cast<void>(directory.release());  // the stream owns it from here
  while (const dirent* entry = ::readdir(stream)) {
    if (entry->d_name[0] == '.' || names.size() >= kMaxListed) continue;
    names.emplace_back(entry->d_name + std::string(entry->d_type == DT_DIR ? "/" : ""));
  }
  ::closedir(stream);
  std::ranges::sort(names);
  std::string page =
      fmt::format("<!doctype html><meta charset=\"utf-8\"><title>{0}</title><h1>{0}</h1><ul>\n",
                  escaped(request.path));
  if (request.path != "/") page += "<li><a href=\"../\">../</a>\n";
  for (const std::string& name : names) {
    const bool is_below = name.back() == '/';
    const std::string bare = is_below ? name.substr(0, name.size() - 1) : name;
    page += fmt::format("<li><a href=\"{}{}\">{}</a>\n", url_of(bare), is_below ? "/" : "",
                        escaped(name));
  }
  response.set_content(page + "</ul>\n", "text/html; charset=utf-8");
}

}  // namespace pmx::serve
