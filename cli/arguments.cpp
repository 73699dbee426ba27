#include "cli/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>

#include "common/base/error.h"
#include "common/base/text.h"

namespace pmx::cli {
namespace {

constexpr const char* kJson = "--json";

// "-1" and also "-1x", so that the command can say what is wrong with it.
bool looks_like_negative_number(const std::string& word) {
  return word.size() > 1 && word[0] == '-' &&
         std::isdigit(static_cast<unsigned char>(word[1])) != 0;
}

}  // namespace

struct Arguments::Parser {
  explicit Parser(const std::string& summary) : app(summary) {}

  struct Declared {
    CLI::Option* option;
    OptionInfo::Value value;
    std::string what;
  };

  CLI::App app;
  std::vector<Declared> declared;

  CLI::Option* remember(CLI::Option* option, OptionInfo::Value value = OptionInfo::Value::none,
                        const std::string& what = {}) {
    declared.push_back({option, value, what});
    if (value == OptionInfo::Value::next_word) option->type_name(what);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return option;
  }

  [[nodiscard]] std::vector<OptionInfo> options() const {
    std::vector<OptionInfo> options;
    for (const auto& [option, value, what] : declared) {
      OptionInfo info{.names = {}, .value = value, .what = what, .help = option->get_description()};
      for (const std::string& name : option->get_snames()) info.names.push_back("-" + name);
      for (const std::string& name : option->get_lnames()) info.names.push_back("--" + name);
      options.push_back(std::move(info));
    }
    return options;
  }

  // CLI11's error in our words. Its texts are "--name: 1 required NAME missing" and "Could not convert:
  // --time = xyz", of a flag.
  [[nodiscard]] std::string said_of(const std::string& error,
                                    const std::vector<std::string>& given) const {
    for (const Declared& one : declared) {
      if (error.starts_with(one.option->get_name() + ":"))
        return fmt::format("{} needs a value: {}", one.option->get_name(), one.what);
    }
    for (const Declared& one : declared) {
      const auto has_value = [&one](const std::string& word) {
        const std::size_t equals = word.find('=');
        return equals != std::string::npos && one.option->check_name(word.substr(0, equals));
      };
      const auto word = std::ranges::find_if(given, has_value);
      if (one.value == OptionInfo::Value::none && word != given.end())
        return fmt::format("{} takes no value", word->substr(0, word->find('=')));
    }
    return error;
  }

  [[nodiscard]] std::vector<std::string> long_names() const {
    std::vector<std::string> names;
    for (const Declared& one : declared)
      for (const std::string& name : one.option->get_lnames()) names.push_back("--" + name);
    return names;
  }
};

Arguments::Arguments(const CommandLine& line, const std::string& usage, const std::string& summary,
                     GlobalOptions& global)
    : parser_(std::make_unique<Parser>(summary)),
      global_(global),
      given_(line.words),
      app_args_(line.app_args),
      usage_(usage) {
  parser_->app.name("pmx " + usage);
  parser_->app.allow_extras();
  parser_->remember(parser_->app.set_help_flag("-h,--help", "print this help"));
  flag("-s,--silent", global.silent, "print payloads and errors only");
  flag("--no-color", global.no_color, "no colours (also NO_COLOR=1)");
  flag(kJson, global.json, "one JSON object on stdout");
  flag("--system", global.system, "the machine's own instance (pmx.service)");
}

Arguments::~Arguments() = default;

void Arguments::flag(const std::string& names, bool& value, const std::string& help) {
  if (names == kJson && &value != &global_.json) {
    json_ = &value;
    parser_->app.get_option(kJson)->description(help);
    return;
  }
  parser_->remember(parser_->app.add_flag(names, value, help));
}

void Arguments::flag_with_text(const std::string& name, std::optional<std::string>& value,
                               const std::string& implied, const std::string& help,
                               const std::function<bool(std::string_view)>& takes) {
  parser_->remember(parser_->app.add_flag_function(
                        name, [&value, implied](std::int64_t) { value = implied; }, help),
                    OptionInfo::Value::attached, "TEXT");
  // CLI11 flags accept numbers only, so the form with text is taken out beforehand.
  for (auto word = given_.begin(); word != given_.end();) {
    if (word->rfind(name + "=", 0) == 0) {
      value = word->substr(name.size() + 1);
      word = given_.erase(word);
    } else if (takes && *word == name && word + 1 != given_.end() && takes(*(word + 1))) {
      value = *(word + 1);
      word = given_.erase(word, word + 2);
    } else {
      ++word;
    }
  }
}

void Arguments::text(const std::string& names, std::optional<std::string>& value,
                     const std::string& what, const std::string& help) {
  parser_->remember(parser_->app.add_option(names, value, help), OptionInfo::Value::next_word,
                    what);
}

void Arguments::number(const std::string& names, std::optional<int>& value, const std::string& what,
                       const std::string& help) {
  const std::string name = names.substr(0, names.find(','));
  const auto take = [&value, name](const std::string& text) {
    const char* const end = text.data() + text.size();
    int number = 0;
    const auto [behind, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc::result_out_of_range)
      throw UsageError(fmt::format("{} {}: this number is too big", name, text));
    if (error != std::errc() || behind != end)
      throw UsageError(fmt::format("{} {}: not a whole number", name, text),
                       fmt::format("e.g. {} 3", name));
    value = number;
  };
  parser_->remember(parser_->app.add_option_function<std::string>(names, take, help),
                    OptionInfo::Value::next_word, what);
}

void Arguments::list(const std::string& names, std::vector<std::string>& values,
                     const std::string& what, const std::string& help) {
  parser_
      ->remember(parser_->app.add_option(names, values, help), OptionInfo::Value::next_word, what)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

void Arguments::words(const std::string& name, std::vector<std::string>& value, std::size_t least,
                      std::size_t most) {
  words_ = Words{&value, name, least, most};
}

void Arguments::parse() {
  // Words are CLI11's extras, not its positionals: it would take "[a,b]" apart.
  std::vector<std::string> options;
  std::vector<std::string> negative;
  for (const std::string& word : given_) {
    (negative_words_ && looks_like_negative_number(word) ? negative : options).push_back(word);
  }
  std::reverse(options.begin(), options.end());  // CLI11 reads from the back

  const std::string command = usage_.substr(0, usage_.find(' '));
  const std::string see_help = fmt::format("see pmx {} --help", command);
  try {
    parser_->app.parse(std::move(options));
  } catch (const CLI::CallForHelp&) {
    throw HelpRequested{parser_->app.help(), parser_->options()};
  } catch (const CLI::ParseError& error) {
    throw UsageError(parser_->said_of(error.what(), given_), see_help);
  }

  if (json_ != nullptr) *json_ = global_.json;
  std::vector<std::string> words = parser_->app.remaining();
  for (const std::string& word : words) {
    if (word.size() < 2 || word.front() != '-') continue;
    const std::string name = word.substr(0, word.find('='));
    const bool is_long = name.size() > 2 && name[1] == '-';
    const auto near = is_long ? nearest(name, parser_->long_names()) : std::nullopt;
    throw UsageError(fmt::format("pmx {} has no option {}", command, name),
                     near ? fmt::format("did you mean {}?", *near) : see_help);
  }
  words.insert(words.end(), negative.begin(), negative.end());
  if (words.size() > words_.most) {
    throw Error(ErrorCode::invalid_request,
                fmt::format("unexpected argument \"{}\"", words[words_.most]),
                "usage: pmx " + usage_);
  }
  if (words.size() < words_.least) {
    throw Error(ErrorCode::invalid_request, fmt::format("missing argument: {}", words_.name),
                "usage: pmx " + usage_);
  }
  if (words_.value != nullptr) *words_.value = std::move(words);
}

}  // namespace pmx::cli
