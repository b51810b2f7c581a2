#include "libstore/format/dledger_state.h"

#include <algorithm>
#include <charconv>

namespace rmq::format {
namespace {

// java.util.Properties, as far as DLedger's own files need it: no escapes, no continued lines.
template <class Visit>
bool for_each_pair(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const std::size_t equals = line.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : line.substr(equals + 1);
    if (!visit(line.substr(0, equals), value)) return false;
  }
  return true;
}

bool to_number(std::string_view text, std::optional<std::int64_t>& into) {
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size()) return false;
  into = number;
  return true;
}

}  // namespace

Decoded<DledgerCheckpoint> DledgerCheckpoint::parse(std::string_view text) {
  DledgerCheckpoint checkpoint;
  const bool good = for_each_pair(text, [&](std::string_view key, std::string_view value) {
    if (key == "endIndex") return to_number(value, checkpoint.end_index);
    if (key == "committedIndex") return to_number(value, checkpoint.committed_index);
    return true;
  });
  if (!good) return DecodeError{DecodeFault::bad_field, 0};
  return checkpoint;
}

std::string DledgerCheckpoint::encode() const {
  std::string text;
  if (committed_index) text += "committedIndex=" + std::to_string(*committed_index) + '\n';
  if (end_index) text += "endIndex=" + std::to_string(*end_index) + '\n';
  return text;
}

Decoded<DledgerTerm> DledgerTerm::parse(std::string_view text) {
  DledgerTerm term;
  const bool good = for_each_pair(text, [&](std::string_view key, std::string_view value) {
    if (key == "currTerm") return to_number(value, term.term);
    if (key == "voteLeader") term.vote_leader = value;
    return true;
  });
  if (!good) return DecodeError{DecodeFault::bad_field, 0};
  return term;
}

std::string DledgerTerm::encode() const {
  std::string text;
  if (!vote_leader.empty()) text += "voteLeader=" + vote_leader + '\n';
  if (term) text += "currTerm=" + std::to_string(*term) + '\n';
  return text;
}

}  // namespace rmq::format
