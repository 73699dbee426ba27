#include "common/model/probe.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <cctype>
#include <charconv>
#include <string_view>

#include "common/base/error.h"

namespace pmx {
namespace {

constexpr int kHttpPort = 80;
constexpr int kHighestPort = 65535;
constexpr std::size_t kLongestUnixPath = 107;  // sockaddr_un

bool is_name(char c, bool first) {
  const auto byte = static_cast<unsigned char>(c);
  return c == '_' || std::isalpha(byte) != 0 || (!first && std::isdigit(byte) != 0);
}

class Parser {
 public:
  Parser(const std::string& text, ProbeUse use, const Env& env)
      : text_(text), use_(use), env_(env) {}

  Probe parse() {
    const bool for_ready = use_ == ProbeUse::ready;
    if (text_ == "notify") return of_kind(Probe::Kind::notify);
    if (for_ready && text_ == "listen") return of_kind(Probe::Kind::listen);
    if (for_ready && text_ == "message") return of_kind(Probe::Kind::message);
    // The shell knows the variables itself.
    if (text_.starts_with("exec:")) return with_path(Probe::Kind::exec, text_.substr(5), "command");
    const std::string expanded = expand();
    const std::string_view whole = expanded;
    if (for_ready && whole.starts_with("log:"))
      return with_path(Probe::Kind::log, expanded.substr(4), "text");
    if (for_ready && whole.starts_with("fd:")) {
      Probe probe = of_kind(Probe::Kind::fd);
      probe.fd = number(whole.substr(3), Probe::kLowestFd, Probe::kHighestFd, "descriptor");
      return probe;
    }
    if (whole.starts_with("tcp:")) return tcp(whole.substr(4));
    if (whole.starts_with("http://")) return http(whole.substr(7));
    if (whole.starts_with("unix:")) return unix_stream(expanded.substr(5));
    if (whole.starts_with("https://"))
      refuse("TLS is not spoken here; exec:curl -fsS https://... does it");
    refuse("it is no probe");
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    const bool for_ready = use_ == ProbeUse::ready;
    throw Error(
        ErrorCode::invalid_spec,
        fmt::format("{} \"{}\": {}", for_ready ? "ready" : "health", text_, why),
        fmt::format("http://127.0.0.1:8080/path, tcp:8080, unix:/path, exec:COMMAND, notify{}",
                    for_ready ? ", listen, message, fd:N, log:TEXT" : ""));
  }

  static Probe of_kind(Probe::Kind kind) {
    Probe probe;
    probe.kind = kind;
    return probe;
  }

  [[nodiscard]] Probe with_path(Probe::Kind kind, std::string path, const char* what) const {
    if (path.empty()) refuse(fmt::format("the {} is missing", what));
    Probe probe = of_kind(kind);
    probe.path = std::move(path);
    return probe;
  }

  [[nodiscard]] int number(std::string_view digits, int least, int most, const char* what) const {
    int value = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size() ||
        value < least || value > most)
      refuse(fmt::format("\"{}\" is no {} from {} to {}", digits, what, least, most));
    return value;
  }

  [[nodiscard]] std::string expand() const {
    std::string out;
    for (std::size_t at = 0; at < text_.size(); ++at) {
      const bool braces = text_.compare(at, 2, "${") == 0;
      std::size_t end = at + (braces ? 2 : 1);
      const std::size_t begin = end;
      while (text_[at] == '$' && end < text_.size() && is_name(text_[end], end == begin)) ++end;
      if (end == begin || text_[at] != '$') {
        out.push_back(text_[at]);
        continue;
      }
      const std::string name = text_.substr(begin, end - begin);
      if (braces && (end == text_.size() || text_[end] != '}')) refuse("a \"${\" is not closed");
      const auto found = env_.find(name);
      if (found == env_.end()) refuse(fmt::format("the app has no variable {}", name));
      out += found->second;
      at = braces ? end : end - 1;
    }
    return out;
  }

  // HOST:PORT, :PORT or, without a default, PORT.
  void read_place(std::string_view place, Probe& probe, int default_port) const {
    std::string_view port;
    std::string_view host = place;
    if (place.starts_with('[')) {
      const std::size_t end = place.find(']');
      if (end == std::string_view::npos) refuse("a \"[\" is not closed");
      host = place.substr(1, end - 1);
      place.remove_prefix(end + 1);
      if (!place.empty() && place.front() != ':') refuse("after the address comes :PORT");
      port = place.empty() ? place : place.substr(1);
    } else if (const std::size_t colon = place.rfind(':'); colon != std::string_view::npos) {
      host = place.substr(0, colon);
      port = place.substr(colon + 1);
    } else if (default_port == 0) {
      port = place;
      host = {};
    }
    probe.host = host.empty() || host == "localhost" ? "127.0.0.1" : std::string(host);
    std::array<unsigned char, sizeof(in6_addr)> binary{};
    const int family = probe.host.find(':') == std::string::npos ? AF_INET : AF_INET6;
    if (::inet_pton(family, probe.host.c_str(), binary.data()) != 1)
      refuse(fmt::format("\"{}\" is no IP address", host));
    probe.port =
        port.empty() && default_port != 0 ? default_port : number(port, 1, kHighestPort, "port");
  }

  [[nodiscard]] Probe tcp(std::string_view place) const {
    Probe probe = of_kind(Probe::Kind::tcp);
    read_place(place, probe, 0);
    return probe;
  }

  [[nodiscard]] Probe http(std::string_view rest) const {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    Probe probe = of_kind(Probe::Kind::http);
    read_place(rest.substr(0, slash), probe, kHttpPort);
    probe.path = slash == rest.size() ? "/" : std::string(rest.substr(slash));
    for (const char c : probe.path) {
      if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
        refuse("the path has a space or control character in it; %20 is a space");
    }
    return probe;
  }

  [[nodiscard]] Probe unix_stream(std::string path) const {
    if (!path.starts_with('/')) refuse("the path is not absolute");
    if (path.size() > kLongestUnixPath)
      refuse(fmt::format("the path has {} bytes, at most {} are possible", path.size(),
                         kLongestUnixPath));
    return with_path(Probe::Kind::unix_stream, std::move(path), "path");
  }

  const std::string& text_;
  ProbeUse use_;
  const Env& env_;
};

}  // namespace

Probe parse_probe(const std::string& text, ProbeUse use, const Env& env) {
  return Parser(text, use, env).parse();
}

std::string describe(const Probe& probe) {
  const bool ipv6 = probe.host.find(':') != std::string::npos;
  const std::string host = ipv6 ? "[" + probe.host + "]" : probe.host;
  switch (probe.kind) {
    case Probe::Kind::tcp:
      return fmt::format("tcp {}:{}", host, probe.port);
    case Probe::Kind::http:
      return fmt::format("GET http://{}:{}{}", host, probe.port, probe.path);
    case Probe::Kind::unix_stream:
      return "unix " + probe.path;
    case Probe::Kind::exec:
      return "`" + probe.path + "`";
    case Probe::Kind::notify:
      return "sd_notify";
    case Probe::Kind::listen:
      return "listening on a shared port";
    case Probe::Kind::message:
      return "the message \"ready\"";
    case Probe::Kind::fd:
      return fmt::format("a line on descriptor {}", probe.fd);
    case Probe::Kind::log:
      return fmt::format("\"{}\" in its output", probe.path);
  }
  return {};
}

}  // namespace pmx
