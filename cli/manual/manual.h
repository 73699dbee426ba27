// The parts of the manual that the program's own tables say, in the man macros of roff. The rest is
// prose: packaging/man/.
#pragma once

#include <string>
#include <string_view>

namespace pmx::cli {

// Text as it is, for a line of its own or a part of one.
std::string roff_text(std::string_view text);

// All commands by their groups, each with its options.
std::string commands_of_manual();
// The options that every command has.
std::string global_options_of_manual();
// What pmx ends with.
std::string exit_codes_of_manual();
// The keys of a configuration file by their sections.
std::string keys_of_manual();

// A page: `prose` with the parts above in the place of @COMMANDS@, @GLOBAL_OPTIONS@, @EXIT_CODES@,
// @KEYS@, and
// @VERSION@. Throws Error if something of that form is left.
std::string manual_page(std::string prose);

}  // namespace pmx::cli
