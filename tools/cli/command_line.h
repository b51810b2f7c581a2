// The common command line: verbs, STORE, flags, and what to say about those that make no sense. The only
// place that knows Boost.Program_options.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"

namespace rmq::cli {

enum class FlagKind {
  given,   // no value
  value,   // one value, the last one counts
  values,  // repeatable; more values may follow a STORE directly (-t A B)
};

// One flag of a command line. `name` as Boost spells it: "topic,t".
struct Flag {
  std::string_view name;
  FlagKind kind = FlagKind::value;
};

struct Grammar {
  std::string program;
  std::string verb;  // for sentences; may be empty
  std::vector<Flag> flags;
  std::size_t positionals = 1;  // STORE and what the verb needs besides
  // Flags whose value may be left out, and what it then is: {"--stats", "topic"}.
  std::map<std::string, std::string> optional_values;

  void add(std::initializer_list<Flag> more) { flags.insert(flags.end(), more.begin(), more.end()); }
};

class Arguments {
 public:
  [[nodiscard]] bool has(const std::string& flag) const { return values_.contains(flag); }
  // The last value of a flag; empty when it was not given.
  [[nodiscard]] std::optional<std::string> value(const std::string& flag) const;
  [[nodiscard]] const std::vector<std::string>& values(const std::string& flag) const;
  [[nodiscard]] const std::vector<std::string>& positionals() const { return positionals_; }

 private:
  friend Result<Arguments> parse_arguments(const Grammar& grammar, const std::vector<std::string>& tokens);
  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> positionals_;
};

// The flags every command has.
[[nodiscard]] const std::vector<Flag>& common_flags();
// Of a verb that has those; it adds its own.
[[nodiscard]] Grammar common_grammar(std::string_view program, const std::string& verb = {});

// Fails with wrong_use and a sentence that names the flag and the nearest known one.
[[nodiscard]] Result<Arguments> parse_arguments(const Grammar& grammar,
                                                const std::vector<std::string>& tokens);

}  // namespace rmq::cli
