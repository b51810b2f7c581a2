#include "tools/cli/command_line.h"

#include <algorithm>
#include <boost/program_options.hpp>

#include "tools/cli/values.h"

namespace rmq::cli {
namespace {

namespace po = boost::program_options;

std::string_view long_name(const Flag& flag) { return flag.name.substr(0, flag.name.find(',')); }

const Flag* find_flag(const Grammar& grammar, std::string_view token) {
  for (const Flag& flag : grammar.flags) {
    const std::size_t comma = flag.name.find(',');
    if (token.starts_with("--") && token.substr(2) == long_name(flag)) return &flag;
    if (comma != std::string_view::npos && token.size() == 2 && token[0] == '-' &&
        token[1] == flag.name[comma + 1]) {
      return &flag;
    }
  }
  return nullptr;
}

// Boost takes the token after a flag with an optional value as its value; ours have it behind a '=' only. And
// it takes one value a flag; ours may go on when STORE is known already.
std::vector<std::string> regular_tokens(const Grammar& grammar, const std::vector<std::string>& tokens) {
  std::vector<std::string> regular;
  std::size_t positionals = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto optional = grammar.optional_values.find(tokens[i]);
    if (optional != grammar.optional_values.end()) {
      regular.push_back(tokens[i] + "=" + optional->second);
      continue;
    }
    if (tokens[i] == "--") {
      regular.insert(regular.end(), tokens.begin() + static_cast<std::ptrdiff_t>(i), tokens.end());
      break;
    }
    const Flag* flag = find_flag(grammar, tokens[i]);
    regular.push_back(tokens[i]);
    if (flag == nullptr) {
      if (!tokens[i].starts_with('-')) ++positionals;
      continue;
    }
    if (flag->kind == FlagKind::given || i + 1 >= tokens.size()) continue;
    regular.push_back(tokens[++i]);
    while (flag->kind == FlagKind::values && positionals >= grammar.positionals && i + 1 < tokens.size() &&
           !tokens[i + 1].starts_with('-')) {
      regular.push_back("--" + std::string(long_name(*flag)));
      regular.push_back(tokens[++i]);
    }
  }
  return regular;
}

std::string help_hint(const Grammar& grammar) {
  return "; see " + grammar.program + (grammar.verb.empty() ? "" : " " + grammar.verb) + " --help";
}

Error unknown_flag(const Grammar& grammar, const std::string& typed) {
  std::vector<std::string> known;
  for (const Flag& flag : grammar.flags) known.push_back("--" + std::string(long_name(flag)));
  const std::string close = nearest(typed, known);
  std::string sentence = "unknown flag " + typed;
  if (!grammar.verb.empty()) sentence += " for '" + grammar.verb + "'";
  if (!close.empty()) sentence += "; did you mean " + close + "?";
  return wrong_use(sentence + (close.empty() ? help_hint(grammar) : ""));
}

po::options_description describe(const Grammar& grammar) {
  po::options_description description;
  for (const Flag& flag : grammar.flags) {
    const std::string name(flag.name);
    if (flag.kind == FlagKind::given) {
      description.add_options()(name.c_str(), po::value<bool>()->zero_tokens()->implicit_value(true));
    } else {
      description.add_options()(name.c_str(), po::value<std::string>());
    }
  }
  return description;
}

// "--since=5" and "-n5" name their flag before the value.
std::string flag_part(const std::string& token) {
  if (token.starts_with("--")) return token.substr(0, token.find('='));
  return token.substr(0, 2);
}

}  // namespace

std::optional<std::string> Arguments::value(const std::string& flag) const {
  const auto found = values_.find(flag);
  if (found == values_.end() || found->second.empty()) return std::nullopt;
  return found->second.back();
}

const std::vector<std::string>& Arguments::values(const std::string& flag) const {
  static const std::vector<std::string> kNone;
  const auto found = values_.find(flag);
  return found == values_.end() ? kNone : found->second;
}

const std::vector<Flag>& common_flags() {
  static const std::vector<Flag> kFlags{{"output,o"},
                                        {"json", FlagKind::given},
                                        {"jobs,j"},
                                        {"max-rate"},
                                        {"mem"},
                                        {"utc", FlagKind::given},
                                        {"progress"},
                                        {"color"},
                                        {"help,h", FlagKind::given},
                                        {"version", FlagKind::given},
                                        {"broker-conf"},
                                        {"commitlog"},
                                        {"consumequeue"},
                                        {"index"},
                                        {"config"}};
  return kFlags;
}

Grammar common_grammar(std::string_view program, const std::string& verb) {
  Grammar grammar;
  grammar.program = program;
  grammar.verb = verb;
  grammar.flags = common_flags();
  return grammar;
}

Result<Arguments> parse_arguments(const Grammar& grammar, const std::vector<std::string>& tokens) {
  using Style = po::command_line_style::style_t;
  constexpr int kStyle = Style::allow_long | Style::long_allow_adjacent | Style::long_allow_next |
                         Style::allow_short | Style::allow_dash_for_short | Style::short_allow_adjacent |
                         Style::short_allow_next;
  Arguments arguments;
  try {
    const po::options_description description = describe(grammar);
    const auto parsed =
        po::command_line_parser(regular_tokens(grammar, tokens)).options(description).style(kStyle).run();
    for (const auto& option : parsed.options) {
      if (option.string_key.empty()) {
        arguments.positionals_.insert(arguments.positionals_.end(), option.value.begin(), option.value.end());
      } else {
        auto& values = arguments.values_[option.string_key];
        values.insert(values.end(), option.value.begin(), option.value.end());
      }
    }
  } catch (const po::unknown_option& error) {
    return unknown_flag(grammar, flag_part(error.get_option_name()));
  } catch (const po::invalid_command_line_syntax& error) {
    const std::string flag = flag_part(error.get_option_name());
    if (error.kind() == po::invalid_syntax::missing_parameter) {
      return wrong_use(flag + " needs a value" + help_hint(grammar));
    }
    return wrong_use(flag + " takes no value" + help_hint(grammar));
  } catch (const po::error& error) {
    return wrong_use(error.what() + help_hint(grammar));
  }
  // An empty text is what an unset variable of a shell leaves behind: never what was meant.
  for (const auto& [flag, values] : arguments.values_) {
    const bool given = find_flag(grammar, "--" + flag)->kind == FlagKind::given;
    if (!given && std::ranges::find(values, std::string()) != values.end()) {
      return wrong_use("--" + flag + " was given an empty value" + help_hint(grammar));
    }
  }
  if (!arguments.positionals_.empty() && arguments.positionals_.front().empty()) {
    return wrong_use("STORE is an empty text" + help_hint(grammar));
  }
  if (arguments.positionals_.size() > grammar.positionals) {
    return wrong_use("'" + arguments.positionals_[grammar.positionals] + "' is one argument too many" +
                     help_hint(grammar));
  }
  return arguments;
}

}  // namespace rmq::cli
