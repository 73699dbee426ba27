// A program of the system that is run to its end: systemctl, rc-update, ...
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace pmx::cli {

// Found on PATH or where administrators' programs are; its standard output goes to ours for errors,
// as stdout is for data. Returns its exit code, 128 + N after signal N. Throws Error(unavailable) if
// it cannot be started.
int run_program(const std::vector<std::string>& words);

// Whether it is found so, or below `root` where programs of administrators are; "" is this system.
bool has_program(const std::string& name, const std::string& root);

// The same without any output: for questions that the exit code answers. 127: there is no such
// program.
int ask_program(const std::vector<std::string>& words);

// What it prints to stdout; its errors go to ours. Throws Error: unavailable as above or if it fails,
// timeout if it has not ended `within` that time; then it is killed.
std::string output_of_program(const std::vector<std::string>& words, std::chrono::seconds within);

}  // namespace pmx::cli
