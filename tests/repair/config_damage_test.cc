// Every truncation, and damage at random, of a broker's state files: afterwards stock loads all of them, and
// nothing that could still be read is lost. RMQ_SEED: the first seed; RMQ_SEEDS: how many (default 60).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/repair/config_fixture.h"

namespace rmq::repair {
namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

const std::vector<std::string> kNames{"topics.json", "consumerOffset.json", "subscriptionGroup.json"};

// Names of entries that end before `size` bytes, as stock prints them: two tabs deep, a brace at their end.
std::vector<std::string> whole_entries(const std::string& text, std::size_t size) {
  std::vector<std::string> names;
  for (std::size_t at = text.find("\n\t\t\""); at != text.npos; at = text.find("\n\t\t\"", at + 1)) {
    const std::size_t end = text.find("\n\t\t}", at);
    const std::size_t name_end = text.find('"', at + 4);
    if (end == text.npos || end + 4 > size || text[name_end + 1] != ':') continue;
    if (text[name_end + 2] == '{') names.push_back(text.substr(at + 4, name_end - at - 4));
  }
  return names;
}

std::set<std::string> entries_now(const BrokerStore& store, const std::string& name) {
  std::set<std::string> names;
  if (name == "topics.json") {
    for (const auto& [topic, config] : store.topics()) names.insert(topic);
  } else if (name == "consumerOffset.json") {
    for (const auto& [key, offset] : store.offsets()) names.insert(key.substr(0, key.find('/')));
  } else {
    for (const std::string& group : store.groups()) names.insert(group);
  }
  return names;
}

// Fewer entries than brokers have, and the files of one test only: there are many truncations.
void make_small(BrokerStore& store) {
  std::erase_if(store.files.files, [&](const auto& file) {
    return file.first.starts_with(store.root + "/config/") &&
           std::ranges::none_of(kNames, [&](const auto& name) { return file.first == store.path(name); });
  });
  for (const std::string& name : kNames) {
    json::Value file = *json::parse(*store.text(name));
    for (const json::Member& member : std::vector(file.if_object()->members())) {
      if (member.name != "topicConfigTable" && member.name != "subscriptionGroupTable") continue;
      json::Object* const table = file.if_object()->find(member.name)->if_object();
      for (const json::Member& entry : member.value.if_object()->members()) {
        const bool stays = entry.name == "FilterTopic" || entry.name == "OrderedTopic" ||
                           entry.name == "broker-a" || entry.name == "cg_order" || entry.name == "cg_sql";
        if (!stays) table->erase(entry.name);
      }
    }
    store.set(name, format::write_config(*format::find_config_file(name), file));
    store.set(name + ".bak", *store.text(name));
  }
}

enum class Backup { good, cut, none };

void every_truncation(const std::string& store_name, Backup backup) {
  BrokerStore store(store_name);
  make_small(store);
  const recovery::Plan plan = store.plan();
  for (const std::string& name : kNames) {
    const std::string text = *store.text(name);
    const std::string backup_text = *store.text(name + ".bak");
    const auto offsets = store.offsets();
    for (std::size_t size = 0; size < text.size(); ++size) {
      SCOPED_TRACE(store_name + " " + name + " cut to " + std::to_string(size));
      store.set(name, text.substr(0, size));
      std::size_t backup_size = 0;
      if (backup == Backup::none) {
        store.remove(name + ".bak");
      } else {
        backup_size = backup == Backup::good ? backup_text.size() : backup_text.size() * 2 / 3;
        store.set(name + ".bak", backup_text.substr(0, backup_size));
      }
      store.apply(store.mend(plan));
      store.expect_mended(plan);
      store.export_config(store_name + "-" + name + "-" + std::to_string(static_cast<int>(backup)) + "-" +
                          std::to_string(size));
      const std::set<std::string> now = entries_now(store, name);
      for (const std::string& entry : whole_entries(text, size)) EXPECT_TRUE(now.contains(entry)) << entry;
      for (const std::string& entry : whole_entries(backup_text, backup_size))
        EXPECT_TRUE(now.contains(entry)) << entry;
      if (name == "topics.json") {
        for (const recovery::QueueOutcome& queue : plan.queues) {
          const auto topics = store.topics();
          if (queue.topic.starts_with("rmq_sys_") || queue.topic.starts_with("RMQ_SYS_")) continue;
          ASSERT_TRUE(topics.contains(queue.topic)) << queue.topic;
          EXPECT_GT(topics.at(queue.topic).read_queues, queue.queue_id);
        }
      }
      if (name == "consumerOffset.json") {
        for (const auto& [key, offset] : store.offsets()) EXPECT_EQ(offset, offsets.at(key)) << key;
      }
      if (::testing::Test::HasFailure()) return;
    }
    store.set(name, text);
    store.set(name + ".bak", backup_text);
  }
}

TEST(ConfigDamage, EveryTruncationWithAGoodBackup) { every_truncation("broker-config", Backup::good); }
TEST(ConfigDamage, EveryTruncationWithABackupThatIsCut) { every_truncation("broker-config", Backup::cut); }
TEST(ConfigDamage, EveryTruncationWithoutABackup) { every_truncation("broker-config", Backup::none); }
TEST(ConfigDamage, EveryTruncationOf49WithoutABackup) {
  every_truncation("broker-config-rmq4", Backup::none);
}

void change(std::mt19937_64& random, std::string& text) {
  const auto below = [&](std::size_t limit) {
    return limit == 0 ? 0 : static_cast<std::size_t>(random() % limit);
  };
  const std::size_t from = below(text.size());
  const std::size_t length = std::min<std::size_t>(1 + below(below(4) == 0 ? 600 : 8), text.size() - from);
  switch (below(5)) {
    case 0: text.resize(from); break;
    case 1: text.replace(from, length, length, '\0'); break;
    case 2: text.erase(from, length); break;
    case 3: text.insert(from, text.substr(below(text.size()), length)); break;
    default:
      for (std::size_t i = from; i < from + length; ++i) text[i] = static_cast<char>(random());
  }
}

TEST(ConfigDamage, AtRandom) {
  const std::uint64_t first = number_from("RMQ_SEED", 1);
  const std::uint64_t seeds = number_from("RMQ_SEEDS", 60);
  for (const char* const of : {"broker-config", "broker-config-rmq4", "broker-retry-dlq"}) {
    BrokerStore good(of);
    const recovery::Plan plan = good.plan();
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
      SCOPED_TRACE(std::string(of) + " seed " + std::to_string(seed));
      std::mt19937_64 random(seed);
      std::map<std::string, std::optional<std::string>> originals;
      for (std::uint64_t times = 1 + random() % 4; times > 0; --times) {
        const format::ConfigFile& file = format::config_files()[random() % format::config_files().size()];
        const std::string name = std::string(file.name) + (random() % 2 == 0 ? ".bak" : "");
        auto text = good.text(name);
        if (!text) continue;
        originals.emplace(name, text);
        change(random, *text);
        if (random() % 12 == 0) {
          good.remove(name);
        } else {
          good.set(name, *text);
        }
      }
      std::map<std::string, std::optional<std::string>> damaged;
      for (const format::ConfigFile& file : format::config_files())
        for (const char* const suffix : {"", ".bak"})
          damaged[std::string(file.name) + suffix] = good.text(std::string(file.name) + suffix);
      const ConfigMend mend = good.mend(plan);
      good.apply(mend);
      good.expect_mended(plan);
      good.export_config(std::string(of) + "-seed-" + std::to_string(seed));
      // A file that loaded stays what it was, but for what no queue can have.
      for (const format::ConfigFile& file : format::config_files()) {
        const std::string name(file.name);
        if (file.kind == format::ConfigFileKind::topics || !damaged[name]) continue;
        const auto before = format::load_config(file, damaged[name], std::nullopt);
        if (!before.value || before.value->is_null()) continue;
        const bool has_foreign_bytes = std::ranges::any_of(
            *damaged[name], [](char c) { return (c >= 0 && c < 0x20 && !std::isspace(c)) || c == 0x7F; });
        if (has_foreign_bytes) continue;
        if (file.kind == format::ConfigFileKind::message_request_mode) continue;
        const bool has_offsets = file.kind == format::ConfigFileKind::consumer_offsets ||
                                 file.kind == format::ConfigFileKind::delay_offsets;
        if (!has_offsets && file.kind != format::ConfigFileKind::subscription_groups) {
          EXPECT_EQ(good.text(name), damaged[name]) << name;
        }
      }
      for (const format::ConfigFile& file : format::config_files()) {
        for (const char* const suffix : {"", ".bak"}) {
          const std::string name = std::string(file.name) + suffix;
          const auto found = originals.find(name);
          if (found != originals.end()) {
            good.set(name, *found->second);
          } else if (!damaged[name] && good.text(name)) {
            good.remove(name);
          } else if (damaged[name]) {
            good.set(name, *damaged[name]);
          }
        }
      }
      if (::testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace rmq::repair
