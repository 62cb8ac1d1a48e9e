// What registers hold after reset, where it is not zero, as offsets in their block: one table a
// block. For models, and for reads of registers through the kernel. Registers of embedded blocks
// (bus user bits, protection) are among them. The vendor's reset values; the rows are in
// testdata/reset_values.csv.
#ifndef HAL_ABI_GAUDI2_RESET_VALUES_H_
#define HAL_ABI_GAUDI2_RESET_VALUES_H_

#include <cstdint>

namespace openhpu::hal::abi::gaudi2 {

struct ResetValue {
  uint32_t offset;
  uint32_t value;
  uint32_t count = 1;  // registers from `offset` on, 4 bytes each
};

// qman.
inline constexpr ResetValue kQmanReset[] = {
    {0x1c, 0x3fff},           // glbl_sts0
    {0x20, 0x1},              // glbl_sts1
    {0x38, 0x3ff7f, 4},       // glbl_err_msg_en
    {0x48, 0x1fdff7e},        // glbl_err_msg_en_4
    {0x4c, 0x10000},          // glbl_prot
    {0xb0, 0x10001, 4},       // pq_cfg1
    {0xd0, 0x1, 4},           // pq_sts1
    {0x108, 0x140014, 5},     // cq_cfg1
    {0x11c, 0x1, 5},          // cq_sts1
    {0x1dc, 0x10, 5},         // cq_ififo_sts
    {0x330, 0x28},            // cp_barrier_cfg
    {0x334, 0xb8d8},          // cp_ldma_src_base_lo_offset
    {0x338, 0xb8e0},          // cp_ldma_dst_base_lo_offset
    {0x33c, 0xb8e8},          // cp_ldma_tsize_offset
    {0x340, 0xa150},          // cp_cq_ptr_lo_offset_0
    {0x344, 0xa160},          // cp_cq_ptr_lo_offset_1
    {0x348, 0xa170},          // cp_cq_ptr_lo_offset_2
    {0x34c, 0xa180},          // cp_cq_ptr_lo_offset_3
    {0x350, 0xa190},          // cp_cq_ptr_lo_offset_4
    {0x3a4, 0x1, 5},          // cp_pred
    {0x3b8, 0xfffffffe, 5},   // cp_pred_upen
    {0x3cc, 0x20, 5},         // cp_dbg_0
    {0x3e0, 0x1, 5},          // cp_cpdma_up_cred
    {0x47c, 0x1000007f, 4},   // pqc_lbw_base_hi
    {0x4c0, 0x40, 64},        // arb_mst_avail_cred
    {0x710, 0x4000},          // arb_slv_choice_wdt
    {0x718, 0x10},            // arb_mst_quiet_per
    {0x744, 0x20},            // arb_msg_max_inflight
    {0x780, 0xffffffff},      // arb_state_sts
    {0x788, 0x2},             // arb_msg_sts
    {0x7b0, 0x40},            // arb_mst_cred_sts
    {0x7b4, 0x40},            // arb_mst_cred_sts_1
    {0x804, 0x140014},        // arc_cq_cfg1
    {0x81c, 0x10},            // arc_cq_ififo_sts
    {0x824, 0x1},             // arc_cq_sts1
    {0x834, 0x1000007f},      // cp_wr_arc_addr_hi
    {0x838, 0xfca08580},      // cp_wr_arc_addr_lo
    {0x83c, 0x1000007f},      // arc_cq_ififo_msg_base_hi
    {0x840, 0xfca08654},      // arc_cq_ififo_msg_base_lo
    {0x844, 0x1000007f},      // arc_cq_ctl_msg_base_hi
    {0x848, 0xfca0865c},      // arc_cq_ctl_msg_base_lo
    {0x84c, 0x1000007f},      // cq_ififo_msg_base_hi
    {0x850, 0xfca08650},      // cq_ififo_msg_base_lo
    {0x854, 0x1000007f},      // cq_ctl_msg_base_hi
    {0x858, 0xfca08658},      // cq_ctl_msg_base_lo
    {0x89c, 0x4000},          // cp_switch_wd
    {0x8a4, 0xf8000000},      // arc_lb_addr_base_lo
    {0x8a8, 0x1000007f},      // arc_lb_addr_base_hi
    {0x8ac, 0x1000007f},      // engine_base_addr_hi
    {0x8b0, 0xfca00000},      // engine_base_addr_lo
    {0x8b4, 0x40000},         // engine_addr_range_size
    {0x8b8, 0x1000007f},      // qm_arc_aux_base_addr_hi
    {0x8bc, 0xfca08000},      // qm_arc_aux_base_addr_lo
    {0x8c0, 0x1000007f},      // qm_base_addr_hi
    {0x8c4, 0xfca0a000},      // qm_base_addr_lo
    {0x8e0, 0x10, 4},         // pqc_sts_1
    {0xb04, 0x11},            // hb_mmu_bp
    {0xb08, 0x11},            // hb_strong_order
    {0xb20, 0x11},            // hb_emem_cpage
    {0xb30, 0xffffffff},      // hb_wr_ovrd_lo
    {0xb34, 0x3ff},           // hb_wr_ovrd_hi
    {0xb38, 0xffffffff},      // hb_rd_ovrd_lo
    {0xb3c, 0x3ff},           // hb_rd_ovrd_hi
    {0xb4c, 0xffffffff},      // lb_ovrd
    {0xb84, 0x11},            // hb_mmu_bp
    {0xb88, 0x11},            // hb_strong_order
    {0xba0, 0x11},            // hb_emem_cpage
    {0xbb0, 0xffffffff},      // hb_wr_ovrd_lo
    {0xbb4, 0x3ff},           // hb_wr_ovrd_hi
    {0xbb8, 0xffffffff},      // hb_rd_ovrd_lo
    {0xbbc, 0x3ff},           // hb_rd_ovrd_hi
    {0xbcc, 0xffffffff},      // lb_ovrd
    {0xc40, 0x100},           // otf_over_th_wr_total_req_th
    {0xc44, 0x100},           // otf_over_th_rd_total_req_th
    {0xc48, 0x100},           // otf_over_th_wr_total_cyc_th
    {0xc4c, 0x100},           // otf_over_th_rd_total_cyc_th
    {0xcc0, 0x100},           // otf_over_th_wr_total_req_th
    {0xcc4, 0x100},           // otf_over_th_rd_total_req_th
    {0xcc8, 0x100},           // otf_over_th_wr_total_cyc_th
    {0xccc, 0x100},           // otf_over_th_rd_total_cyc_th
    {0xd14, 0xf8000000},      // l2h_mask_lo
    {0xd18, 0xffffffff},      // l2h_mask_hi
    {0xd1c, 0xf8000000},      // l2h_cmpr_lo
    {0xd20, 0x1000007f},      // l2h_cmpr_hi
    {0xd24, 0xa000},          // local_range_base
    {0xd28, 0x1000},          // local_range_size
    {0xd70, 0x1f1f0f},        // perf_cnt_cfg
    {0xd80, 0x100080},        // cfg
    {0xd84, 0xf00},           // sts
    {0xd88, 0x10},            // cfg1
    {0xe80, 0xffffffff, 32},  // glbl_priv
    {0xf24, 0xffff},          // mem_ecc_err_addr
    {0xf44, 0xffffffff},      // glbl_err_addr
    {0xf80, 0xffffffff, 32},  // glbl_sec
};

// dma_core.
inline constexpr ResetValue kDmaCoreReset[] = {
    {0x104, 0x3fff},          // wr_hbw_max_awid
    {0x110, 0x80040003},      // wr_hbw_rate_lim_cfg
    {0x144, 0x7f},            // wr_lbw_max_awid
    {0x180, 0x14},            // wr_comp_max_outstand
    {0x41c, 0x40000000},      // sts_rd_lb_axi_addr
    {0x434, 0x40000000},      // sts_wr_hb_axi_addr_lo
    {0x438, 0x40000000},      // sts_wr_hb_axi_addr_hi
    {0x43c, 0x40000000},      // sts_wr_lb_axi_addr
    {0x714, 0x178},           // dbg_sts
    {0x728, 0xb000},          // apb_dma_lbw_base
    {0x72c, 0xc000},          // apb_mstr_if_lbw_base
    {0x804, 0x11},            // hb_mmu_bp
    {0x808, 0x11},            // hb_strong_order
    {0x820, 0x11},            // hb_emem_cpage
    {0x830, 0xffffffff},      // hb_wr_ovrd_lo
    {0x834, 0x3ff},           // hb_wr_ovrd_hi
    {0x838, 0xffffffff},      // hb_rd_ovrd_lo
    {0x83c, 0x3ff},           // hb_rd_ovrd_hi
    {0x84c, 0xffffffff},      // lb_ovrd
    {0x860, 0x40004},         // rate_lim_tkn
    {0xe00, 0x100080},        // cfg
    {0xe04, 0xf00},           // sts
    {0xe08, 0x10},            // cfg1
    {0xe20, 0xfc000000},      // l2h_cmpr_lo
    {0xe24, 0x1000007f},      // l2h_cmpr_hi
    {0xe28, 0xfc000000},      // l2h_mask_lo
    {0xe2c, 0xffffffff},      // l2h_mask_hi
    {0xe30, 0x3000000},       // idle_ind_mask
    {0xe80, 0xffffffff, 32},  // glbl_priv
    {0xf24, 0xffff},          // mem_ecc_err_addr
    {0xf44, 0xffffffff},      // glbl_err_addr
    {0xf80, 0xffffffff, 32},  // glbl_sec
};

// mme_ctrl_lo.
inline constexpr ResetValue kMmeCtrlLoReset[] = {
    {0x0, 0xc27ffe00},        // arch_status
    {0x29c, 0x8040404},       // rate_limiter
    {0x40c, 0x10},            // sync_object_fifo_th
    {0x410, 0x20},            // redun
    {0x418, 0x194e900},       // eus_rollup_dly_dw0
    {0x41c, 0x1},             // eus_rollup_dly_dw1
    {0x420, 0x80},            // eus_rollup_cd_prot_f16
    {0x424, 0x80},            // eus_rollup_cd_prot_f8
    {0x428, 0x80},            // eus_rollup_cd_prot_fp32
    {0x42c, 0x80},            // eus_rollup_cd_prot_fp32i
    {0x430, 0x80},            // eus_rollup_cd_prot_tf32
    {0x434, 0x4101000},       // pcu_rl_desc0
    {0x438, 0x2000200},       // pcu_rl_token_update
    {0x43c, 0x1990200},       // pcu_rl_th
    {0x440, 0x3e800100},      // pcu_rl_min
    {0x444, 0x3},             // pcu_rl_ctrl_en
    {0x448, 0x1f},            // pcu_rl_history_log_size
    {0x44c, 0xaaaa5555},      // pcu_dummy_a_bf16
    {0x450, 0x77773333},      // pcu_dummy_b_bf16
    {0x454, 0xaaaa5555},      // pcu_dummy_a_fp16
    {0x458, 0x77773333},      // pcu_dummy_b_fp16
    {0x45c, 0xaa55aa55},      // pcu_dummy_f8
    {0x480, 0x2},             // prot
    {0x484, 0x210000},        // eu
    {0x494, 0x80001000},      // pcu_rl_sat_sec
    {0x4a4, 0x1},             // qm_slv_clk_en
    {0x4b0, 0x2},             // qm
    {0x4c4, 0x1},             // redun_psoc_sel_sec
    {0x4d0, 0x1},             // eu_rl_token_sel
    {0x4d4, 0x8040708},       // eu_rl_cfg
    {0xe04, 0x11},            // hb_mmu_bp
    {0xe08, 0x11},            // hb_strong_order
    {0xe20, 0x11},            // hb_emem_cpage
    {0xe30, 0xffffffff},      // hb_wr_ovrd_lo
    {0xe34, 0x3ff},           // hb_wr_ovrd_hi
    {0xe38, 0xffffffff},      // hb_rd_ovrd_lo
    {0xe3c, 0x3ff},           // hb_rd_ovrd_hi
    {0xe4c, 0xffffffff},      // lb_ovrd
    {0xe80, 0xffffffff, 32},  // glbl_priv
    {0xf24, 0xffff},          // mem_ecc_err_addr
    {0xf44, 0xffffffff},      // glbl_err_addr
    {0xf80, 0xffffffff, 32},  // glbl_sec
};

// sob_glbl.
inline constexpr ResetValue kSyncManagerGlblReset[] = {
    {0x8, 0xf80},             // l2h_cpmr_l
    {0xc, 0x1000007f},        // l2h_cpmr_h
    {0x20, 0xf80},            // l2h_mask_l
    {0x24, 0xffffffff},       // l2h_mask_h
    {0x38, 0xff},             // lbw_delay
    {0x3c, 0x4},              // pi_size
    {0x4c, 0x8},              // pi_inc_mode_size
    {0x250, 0x8, 64},         // cq_size_log2
    {0xe80, 0xffffffff, 32},  // glbl_priv
    {0xf24, 0xffff},          // mem_ecc_err_addr
    {0xf44, 0xffffffff},      // glbl_err_addr
    {0xf80, 0xffffffff, 32},  // glbl_sec
};

// sob_objs.
inline constexpr ResetValue kSyncManagerObjsReset[] = {
    {0x12000, 0x200, 2048},      // mon_status
    {0x14000, 0xffffffff, 640},  // sm_sec
    {0x15000, 0xffffffff, 640},  // sm_priv
};

// tpc.
inline constexpr ResetValue kTpcReset[] = {
    {0xc, 0x50000},           // tensor_config
    {0x5c, 0x50000},          // tensor_config
    {0xac, 0x50000},          // tensor_config
    {0xfc, 0x50000},          // tensor_config
    {0x14c, 0x50000},         // tensor_config
    {0x19c, 0x50000},         // tensor_config
    {0x1ec, 0x50000},         // tensor_config
    {0x23c, 0x50000},         // tensor_config
    {0x28c, 0x50000},         // tensor_config
    {0x2dc, 0x50000},         // tensor_config
    {0x32c, 0x50000},         // tensor_config
    {0x37c, 0x50000},         // tensor_config
    {0x3cc, 0x50000},         // tensor_config
    {0x41c, 0x50000},         // tensor_config
    {0x46c, 0x50000},         // tensor_config
    {0x4bc, 0x50000},         // tensor_config
    {0x538, 0x1040482},       // kernel_config
    {0x5e8, 0x50000},         // tensor_config
    {0x638, 0x50000},         // tensor_config
    {0x688, 0x50000},         // tensor_config
    {0x6d8, 0x50000},         // tensor_config
    {0x728, 0x50000},         // tensor_config
    {0x778, 0x50000},         // tensor_config
    {0x7c8, 0x50000},         // tensor_config
    {0x818, 0x50000},         // tensor_config
    {0x868, 0x50000},         // tensor_config
    {0x8b8, 0x50000},         // tensor_config
    {0x908, 0x50000},         // tensor_config
    {0x958, 0x50000},         // tensor_config
    {0x9a8, 0x50000},         // tensor_config
    {0x9f8, 0x50000},         // tensor_config
    {0xa48, 0x50000},         // tensor_config
    {0xa98, 0x50000},         // tensor_config
    {0xb14, 0x1040482},       // kernel_config
    {0xc18, 0x18},            // tpc_count
    {0xc2c, 0x4},             // iq_rl_sat
    {0xc30, 0x8},             // iq_rl_rst_token
    {0xc34, 0xf},             // iq_rl_timeout
    {0xc6c, 0x1},             // cgu_sb
    {0xc70, 0xffffff},        // cgu_cnt
    {0xc74, 0xfffff, 8},      // cgu_cpe
    {0xc98, 0x4},             // dcache_cfg
    {0xcb0, 0x1414f},         // arb_qnt_hbw_weight
    {0xcb4, 0xff14},          // arb_qnt_lbw_weight
    {0xcb8, 0x14f14f},        // arb_cnt_hbw_weight
    {0xcbc, 0x14f14},         // arb_cnt_lbw_weight
    {0xcc0, 0x17000},         // lut_func32_base2_addr_lo
    {0xcc8, 0x13800},         // lut_func64_base2_addr_lo
    {0xcd0, 0xd000},          // lut_func128_base2_addr_lo
    {0xce0, 0x800002cc},      // spe_lfsr_polynom
    {0xd64, 0x7},             // fp8_143_bias
    {0xd6c, 0x12},            // hb_prot
    {0xd70, 0x12},            // lb_prot
    {0xd80, 0x800002cc},      // lfsr_polynom
    {0xd84, 0xee},            // status
    {0xd88, 0x7f},            // cfg_base_address_high
    {0xda8, 0xe0b},           // rd_rate_limit
    {0xdac, 0xe0b},           // wr_rate_limit
    {0xdbc, 0x4a},            // wq_credits
    {0xdc0, 0xffffffff},      // opcode_exec
    {0xdc4, 0x17000},         // lut_func32_base_addr_lo
    {0xdcc, 0x13800},         // lut_func64_base_addr_lo
    {0xdd4, 0xd000},          // lut_func128_base_addr_lo
    {0xde8, 0x20000},         // tsb_cfg
    {0xe04, 0x11},            // hb_mmu_bp
    {0xe08, 0x11},            // hb_strong_order
    {0xe20, 0x11},            // hb_emem_cpage
    {0xe30, 0xffffffff},      // hb_wr_ovrd_lo
    {0xe34, 0x3ff},           // hb_wr_ovrd_hi
    {0xe38, 0xffffffff},      // hb_rd_ovrd_lo
    {0xe3c, 0x3ff},           // hb_rd_ovrd_hi
    {0xe4c, 0xffffffff},      // lb_ovrd
    {0xe80, 0xffffffff, 32},  // glbl_priv
    {0xf24, 0xffff},          // mem_ecc_err_addr
    {0xf44, 0xffffffff},      // glbl_err_addr
    {0xf80, 0xffffffff, 32},  // glbl_sec
};

}  // namespace openhpu::hal::abi::gaudi2

#endif  // HAL_ABI_GAUDI2_RESET_VALUES_H_
