#include "common/model/declared_socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string_view>

#include "common/base/error.h"

namespace pmx {
namespace {

constexpr std::size_t kLongestPath = 107;  // sockaddr_un
constexpr int kHighestPort = 65535;
constexpr int kMostBacklog = 65535;

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  DeclaredSocket parse() {
    std::string_view rest = text_;
    const std::size_t options = rest.find('?');
    std::string_view place = rest.substr(0, options);
    if (place.starts_with("tcp:")) {
      socket_.kind = DeclaredSocket::Kind::tcp;
      read_ip(place.substr(4));
    } else if (place.starts_with("udp:")) {
      socket_.kind = DeclaredSocket::Kind::udp;
      read_ip(place.substr(4));
    } else if (place.starts_with("unix:")) {
      socket_.kind = DeclaredSocket::Kind::unix_stream;
      read_path(place.substr(5));
    } else {
      refuse("it begins with none of tcp:, udp: and unix:");
    }
    if (options != std::string_view::npos) read_options(rest.substr(options + 1));
    return socket_;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(ErrorCode::invalid_spec, fmt::format("listen \"{}\": {}", text_, why),
                "tcp:127.0.0.1:8080, tcp:[::1]:8080, tcp:8080 (all addresses), udp:..., "
                "unix:/absolute/path");
  }

  [[nodiscard]] int number(std::string_view digits, int least, int most, const char* what,
                           int base = 10) const {
    int value = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (digits.empty() || parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size() ||
        value < least || value > most)
      refuse(fmt::format("\"{}\" is no {}", digits, what));
    return value;
  }

  void read_ip(std::string_view place) {
    const std::size_t colon = place.rfind(':');
    const bool only_port = colon == std::string_view::npos;
    const std::string_view port = only_port ? place : place.substr(colon + 1);
    socket_.port = number(port, 1, kHighestPort, "port from 1 to 65535");
    std::string_view host = only_port ? "*" : place.substr(0, colon);
    if (host == "*") return;
    const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (brackets) host = host.substr(1, host.size() - 2);
    std::array<unsigned char, sizeof(in6_addr)> binary{};
    const std::string address(host);
    socket_.ipv6 = brackets;
    if (::inet_pton(brackets ? AF_INET6 : AF_INET, address.c_str(), binary.data()) != 1)
      refuse(fmt::format("\"{}\" is no IP address (IPv6 stands in brackets)", host));
    socket_.address = address;
  }

  void read_path(std::string_view path) {
    if (!path.starts_with('/')) refuse("the path is not absolute");
    if (path.size() > kLongestPath)
      refuse(
          fmt::format("the path has {} bytes, at most {} are possible", path.size(), kLongestPath));
    if (path.find('\0') != std::string_view::npos) refuse("the path has a zero byte in it");
    socket_.address = std::string(path);
  }

  void read_options(std::string_view options) {
    while (!options.empty()) {
      const std::size_t end = std::min(options.find('&'), options.size());
      read_option(options.substr(0, end));
      options.remove_prefix(std::min(end + 1, options.size()));
    }
  }

  void read_option(std::string_view option) {
    const std::size_t equals = std::min(option.find('='), option.size());
    const std::string_view name = option.substr(0, equals);
    const std::string_view value = option.substr(std::min(equals + 1, option.size()));
    if (name == "backlog") {
      socket_.backlog = number(value, 1, kMostBacklog, "backlog");
    } else if (name == "mode" && socket_.kind == DeclaredSocket::Kind::unix_stream) {
      socket_.mode = static_cast<mode_t>(number(value, 0, 0777, "mode such as 0660", 8));
    } else if (name == "name") {
      // What LISTEN_FDNAMES can hold: sd_listen_fds_with_names(3).
      if (value.empty() || value.size() > 255 ||
          value.find_first_of(":\n") != std::string_view::npos)
        refuse("a name is 1 to 255 bytes without a colon");
      socket_.name = std::string(value);
    } else if (name == "as" && value == "nginx") {
      socket_.announce = DeclaredSocket::Announce::nginx;
    } else if (name == "as" && value == "einhorn") {
      socket_.announce = DeclaredSocket::Announce::einhorn;
    } else {
      refuse(
          fmt::format("\"{}\" is not known here (backlog=N, name=TEXT, as=nginx, as=einhorn; "
                      "of unix also mode=0660)",
                      option));
    }
  }

  const std::string& text_;
  DeclaredSocket socket_;
};

}  // namespace

DeclaredSocket parse_declared_socket(const std::string& text) { return Parser(text).parse(); }

}  // namespace pmx
