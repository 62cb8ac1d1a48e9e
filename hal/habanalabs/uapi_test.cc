// uapi.h against the kernel's header and rows of both interfaces; and what the driver takes from
// <misc/habanalabs.h> against the later interface, which has no header here.
#include "hal/habanalabs/uapi.h"

#include <cstddef>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace openhpu::hal::habanalabs {
namespace {

static_assert(kMiscRequests.info == HL_IOCTL_INFO);
static_assert(kMiscRequests.command_buffer == HL_IOCTL_CB);
static_assert(kMiscRequests.command_submission == HL_IOCTL_CS);
static_assert(kMiscRequests.wait == HL_IOCTL_WAIT_CS);
static_assert(kMiscRequests.memory == HL_IOCTL_MEMORY);
static_assert(kMiscRequests.debug == HL_IOCTL_DEBUG);
// The later interface's events go on where this one's end.
static_assert(kEventRazwi == HL_NOTIFIER_EVENT_GENERAL_HW_ERR << 1);

std::vector<std::vector<std::string>> Rows(const std::string& file) {
  std::ifstream in("hal/habanalabs/testdata/" + file);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> cells;
    std::stringstream text(line);
    for (std::string cell; std::getline(text, cell, ',');) cells.push_back(cell);
    rows.push_back(cells);
  }
  return rows;
}

TEST(Uapi, RequestsAreThoseOfTheReference) {
  const std::map<std::string, unsigned long Requests::*> requests = {
      {"INFO", &Requests::info},
      {"CB", &Requests::command_buffer},
      {"CS", &Requests::command_submission},
      {"WAIT_CS", &Requests::wait},
      {"MEMORY", &Requests::memory},
      {"DEBUG", &Requests::debug}};
  size_t seen = 0;
  for (const auto& row : Rows("ioctls.csv")) {
    const auto request = requests.find(row[0]);
    if (request == requests.end()) continue;
    EXPECT_EQ(RequestsOf(Api::kMisc).*request->second, std::stoul(row[2], nullptr, 0)) << row[0];
    EXPECT_EQ(RequestsOf(Api::kAccel).*request->second, std::stoul(row[4], nullptr, 0)) << row[0];
    ++seen;
  }
  EXPECT_EQ(seen, requests.size());
}

struct Member {
  const char* structure;
  const char* name;
  size_t offset, size;
};
#define MEMBER(type, name) \
  { #type, #name, offsetof(type, name), sizeof(type::name) }
#define NESTED(type, name) \
  { #type, #name, offsetof(type, name), sizeof(static_cast <type*>(nullptr)->name) }
// What the driver writes and reads.
const Member kUsed[] = {
    MEMBER(hl_info_args, return_pointer),
    MEMBER(hl_info_args, return_size),
    MEMBER(hl_info_args, op),
    MEMBER(hl_info_args, dcore_id),
    MEMBER(hl_info_args, eventfd),
    MEMBER(hl_info_args, user_buffer_actual_size),
    MEMBER(hl_cb_in, cb_handle),
    MEMBER(hl_cb_in, op),
    MEMBER(hl_cb_in, cb_size),
    MEMBER(hl_cs_chunk, cb_handle),
    MEMBER(hl_cs_chunk, queue_index),
    MEMBER(hl_cs_chunk, cb_size),
    MEMBER(hl_cs_chunk, cs_chunk_flags),
    MEMBER(hl_cs_in, chunks_execute),
    MEMBER(hl_cs_in, num_chunks_restore),
    MEMBER(hl_cs_in, num_chunks_execute),
    MEMBER(hl_cs_in, timeout),
    MEMBER(hl_cs_in, cs_flags),
    MEMBER(hl_cs_out, seq),
    MEMBER(hl_wait_cs_in, seq),
    MEMBER(hl_wait_cs_in, timeout_us),
    MEMBER(hl_wait_cs_in, flags),
    MEMBER(hl_wait_cs_in, seq_arr_len),
    MEMBER(hl_wait_cs_out, status),
    MEMBER(hl_wait_cs_out, flags),
    MEMBER(hl_wait_cs_out, cs_completion_map),
    NESTED(hl_mem_in, map_host.host_virt_addr),
    NESTED(hl_mem_in, map_host.hint_addr),
    NESTED(hl_mem_in, map_host.mem_size),
    NESTED(hl_mem_in, unmap.device_virt_addr),
    MEMBER(hl_mem_in, op),
    MEMBER(hl_mem_in, flags),
    MEMBER(hl_mem_out, device_virt_addr),
    MEMBER(hl_info_hw_ip_info, sram_base_address),
    MEMBER(hl_info_hw_ip_info, dram_base_address),
    MEMBER(hl_info_hw_ip_info, dram_size),
    MEMBER(hl_info_hw_ip_info, sram_size),
    MEMBER(hl_info_hw_ip_info, device_id),
    MEMBER(hl_info_hw_ip_info, tpc_enabled_mask),
    MEMBER(hl_info_hw_ip_info, tpc_enabled_mask_ext),
    MEMBER(hl_info_device_status, status),
    MEMBER(hl_info_sync_manager, first_available_sync_object),
    MEMBER(hl_info_sync_manager, first_available_monitor),
    MEMBER(hl_info_hw_idle, is_idle),
    MEMBER(hl_info_hw_idle, busy_engines_mask),
    NESTED(hl_info_hw_idle, busy_engines_mask_ext[0]),
    MEMBER(hl_info_time_sync, device_time),
    MEMBER(hl_info_time_sync, host_time),
};
#undef MEMBER
#undef NESTED

TEST(Uapi, WhatTheDriverUsesLiesWhereBothInterfacesHaveIt) {
  using Key = std::pair<std::string, std::string>;  // interface, structure.member
  std::map<Key, std::pair<size_t, size_t>> rows;
  for (const auto& row : Rows("uapi_layout.csv")) {
    if (row.size() < 5 || row[3].empty() || row[0] == "uapi") continue;
    rows[{row[0], row[1] + "." + row[2]}] = {std::stoul(row[3]), std::stoul(row[4])};
  }
  ASSERT_GT(rows.size(), 200u);
  for (const Member& member : kUsed) {
    for (const char* interface : {"linux6.1_misc", "accel_vendor"}) {
      std::string name = member.name;
      const bool is_element = name.back() == ']';
      if (is_element) name.resize(name.find('['));
      const auto row = rows.find({interface, std::string(member.structure) + "." + name});
      ASSERT_TRUE(row != rows.end()) << interface << " " << member.structure << "." << name;
      EXPECT_EQ(row->second.first, member.offset) << interface << " " << name;
      if (is_element) continue;
      EXPECT_EQ(row->second.second, member.size) << interface << " " << name;
    }
  }
}

TEST(Uapi, BusyEnginesAreThoseOfTheLaterInterface) {
  const std::map<std::string, std::pair<size_t, size_t>> ours = {
      {"(sizeof)", {0, sizeof(HwIdle)}},
      {"is_idle", {offsetof(HwIdle, is_idle), sizeof(HwIdle::is_idle)}},
      {"busy_engines_mask",
       {offsetof(HwIdle, busy_engines_mask), sizeof(HwIdle::busy_engines_mask)}},
      {"busy_engines_mask_ext",
       {offsetof(HwIdle, busy_engines_mask_ext), sizeof(HwIdle::busy_engines_mask_ext)}}};
  size_t seen = 0;
  for (const auto& row : Rows("uapi_layout.csv")) {
    if (row.size() < 5 || row[0] != "accel_vendor" || row[1] != "hl_info_hw_idle") continue;
    const auto member = ours.find(row[2]);
    ASSERT_TRUE(member != ours.end()) << row[2];
    if (!row[3].empty()) {
      EXPECT_EQ(std::stoul(row[3]), member->second.first) << row[2];
    }
    EXPECT_EQ(std::stoul(row[4]), member->second.second) << row[2];
    ++seen;
  }
  EXPECT_EQ(seen, ours.size());
}

TEST(Uapi, ArgumentsHaveOneSizeAndAnswersOnlyGrow) {
  const std::map<std::string, size_t> arguments = {
      {"hl_info_args", sizeof(hl_info_args)},     {"hl_cb_in", sizeof(hl_cb_in)},
      {"hl_cs_chunk", sizeof(hl_cs_chunk)},       {"hl_cs_in", sizeof(hl_cs_in)},
      {"hl_cs_out", sizeof(hl_cs_out)},           {"hl_wait_cs_in", sizeof(hl_wait_cs_in)},
      {"hl_wait_cs_out", sizeof(hl_wait_cs_out)}, {"hl_mem_in", sizeof(hl_mem_in)},
      {"hl_mem_out", sizeof(hl_mem_out)}};
  const std::map<std::string, size_t> answers = {
      {"hl_info_hw_ip_info", sizeof(hl_info_hw_ip_info)},
      {"hl_info_device_status", sizeof(hl_info_device_status)},
      {"hl_info_sync_manager", sizeof(hl_info_sync_manager)},
      {"hl_info_hw_idle", sizeof(hl_info_hw_idle)},
      {"hl_info_time_sync", sizeof(hl_info_time_sync)}};
  size_t seen = 0;
  for (const auto& row : Rows("uapi_layout.csv")) {
    if (row.size() < 5 || row[2] != "(sizeof)") continue;
    const size_t size = std::stoul(row[4]);
    if (const auto argument = arguments.find(row[1]); argument != arguments.end()) {
      EXPECT_EQ(size, argument->second) << row[0] << " " << row[1];
      ++seen;
    }
    if (const auto answer = answers.find(row[1]); answer != answers.end()) {
      EXPECT_GE(size, answer->second) << row[0] << " " << row[1];
      ++seen;
    }
  }
  EXPECT_EQ(seen, 2 * (arguments.size() + answers.size()));
}

}  // namespace
}  // namespace openhpu::hal::habanalabs
