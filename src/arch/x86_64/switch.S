/*
 * switch.S - leaving one greenlet and going on in another
 *
 * void gr_switch(void **save_sp, void *load_sp, uintptr_t load_fs);                 x86-64 System V, psABI 1.0
 *   rdi: where our stack pointer goes   rsi: the one to continue on   rdx: its FS base, or 0 to keep ours
 * Kept:     rbx rbp r12-r15, x87 control word, MXCSR.    Not kept: caller-saved, signal mask
 * Frame:    sp -> [mxcsr:4 fcw:2 pad:2] r15 r14 r13 r12 rbx rbp return-address      64 bytes, sp 16-aligned
 * In step:  gr_frame_init() and gr_frame_clone() in arch.c write this frame by hand; the .cfi lines let gdb and the unwinder
 *           walk through a switch.
 * Leaves by `ret`: the processor's return stack knows only the side that leaves, but both left from the same place in sched.c, so it is
 *           right, here and as far up as both came the same way.  A jump would leave an entry too many there, and every return
 *           after it would be mispredicted.
 * The control words are loaded only where they differ: the processor can look ahead over a comparison, and has to wait for a load of
 *           them, and they hardly ever differ.
 */
	.text

	.globl	gr_switch
	.hidden	gr_switch
	.type	gr_switch, @function
	.p2align 4
gr_switch:
	.cfi_startproc
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movl	(%rsp), %eax
	movzwl	4(%rsp), %ecx
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	testq	%rdx, %rdx
	jz	2f
	cmpb	$0, gr_arch_wrfsbase(%rip)
	je	3f
	wrfsbase %rdx
2:	cmpl	%eax, (%rsp)
	jne	4f
	cmpw	%cx, 4(%rsp)
	jne	4f
1:	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size	gr_switch, . - gr_switch

/* The slow way to write the FS base, for processors and kernels without FSGSBASE: arch_prctl(ARCH_SET_FS, rdx); and other control words. */
	.type	gr_switch_prctl, @function
gr_switch_prctl:
	.cfi_startproc
	.cfi_def_cfa rsp, 64
	.cfi_offset rip, -8
3:	movl	$158, %eax
	movl	$0x1002, %edi
	movq	%rdx, %rsi
	syscall
4:	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	jmp	1b
	.cfi_endproc
	.size	gr_switch_prctl, . - gr_switch_prctl

/*
 * void gr_switch_x(void **save_sp, void *load_sp, uintptr_t load_fs);
 *   As gr_switch, and all that XCR0 names (PKRU and the AMX tiles apart) is kept in an XSAVE area on the leaving stack.
 * int gr_with_vectors(int (*fn)(void));
 *   fn() between the same saving and restoring.
 * Frame:    rbp-based; area of gr_arch_xsize bytes, 64-aligned, below.  XSAVEC writes only what is in use.
 * Usually that is nothing but xmm0 to xmm15, or with them zmm16 to zmm31 and the mask registers, which libc's string functions use where
 *           there is AVX-512.  Those are saved and loaded by plain moves, in a third of the time, and in less of the stack, often a page
 *           less in a thread that is parked.  MXCSR and the x87 control word are gr_switch()'s business.  If somebody else has used more
 *           by the time we come back, all of that gets its initial state, which is what it had.
 */
#define X87		1		/* its bit in the header of an area */
#define FCW_INITIAL	0x37f		/* and the first 8 bytes there: no exceptions, all registers empty */
#define XSAVE_LEGACY	576		/* x87, SSE and the header */
#define XMM_AREA	256
#define ZMM_AREA	1024
#define MASKS_AREA	64

	.macro	MOVES way
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.ifc	\way, save
	movaps	%xmm\n, 16 * \n(%rsp)
	.else
	movaps	16 * \n(%rsp), %xmm\n
	.endif
	.endr
	.endm

	.macro	WIDE_MOVES way
	MOVES	\way
	.irp	n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	.ifc	\way, save
	vmovdqu64 %zmm\n, XMM_AREA + 64 * (\n - 16)(%rsp)
	.else
	vmovdqu64 XMM_AREA + 64 * (\n - 16)(%rsp), %zmm\n
	.endif
	.endr
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	.ifc	\way, save
	kmovq	%k\n, XMM_AREA + ZMM_AREA + 8 * \n(%rsp)
	.else
	kmovq	XMM_AREA + ZMM_AREA + 8 * \n(%rsp), %k\n
	.endif
	.endr
	.endm

	/*
	 * The kernel's signal return marks the x87 state as in use although it is as it was in the beginning, and so it would stay, for all
	 * who run after it, and each switch take the long way and leave 2.7 KB on the stack, often in a page that nothing else needs.  So
	 * look at it, and if nothing is in it, make that known to the processor.  The area is given back: rbp tells where the frame was.
	 */
	.macro	X87_IF_INITIAL
	subq	$XSAVE_LEGACY, %rsp
	andq	$-64, %rsp
	movl	$X87, %eax
	xorl	%edx, %edx
	xsavec64 (%rsp)
	cmpq	$FCW_INITIAL, (%rsp)
	jne	10f
	movq	8(%rsp), %rax
	orq	16(%rsp), %rax
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	orq	32 + 16 * \n(%rsp), %rax
	orq	40 + 16 * \n(%rsp), %rax
	.endr
	jnz	10f
	movl	$X87, %eax
	xrstor64 gr_arch_xinitial(%rip)
10:	movq	%rbp, %rsp
	.endm

	.macro	KEEPING_BY_MOVES callee, moves, size, others
	subq	$\size, %rsp
	andq	$-64, %rsp
	\moves	save
	movq	%r8, %rdx
	call	\callee
	movl	$1, %ecx
	xgetbv
	testl	%eax, \others(%rip)
	jnz	9f
8:	\moves	load
	leave
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_restore_state
9:	movl	\others(%rip), %eax
	xorl	%edx, %edx
	xrstor64 gr_arch_xinitial(%rip)
	jmp	8b
	.endm

	.macro	KEEPING_VECTORS name, callee, moves
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	movq	%rdx, %r8
	.if	\moves
	cmpb	$3, gr_arch_xsave(%rip)
	jne	3f
	movl	$1, %ecx
	xgetbv				/* what is in use */
	testl	%eax, gr_arch_xothers(%rip)
	jnz	7f
11:	testl	%eax, gr_arch_xbeside(%rip)
	jnz	6f
	KEEPING_BY_MOVES \callee, MOVES, XMM_AREA, gr_arch_xbeside
6:	KEEPING_BY_MOVES \callee, WIDE_MOVES, XMM_AREA + ZMM_AREA + MASKS_AREA, gr_arch_xothers
7:	testb	$X87, %al
	jz	3f
	X87_IF_INITIAL
	movl	$1, %ecx
	xgetbv
	testl	%eax, gr_arch_xothers(%rip)
	jz	11b
3:
	.endif
	movl	gr_arch_xsize(%rip), %eax
	subq	%rax, %rsp
	andq	$-64, %rsp
	cmpb	$0, gr_arch_xsave(%rip)
	je	4f
	/* XRSTOR insists on zeros in the header that XSAVE does not write */
	xorl	%eax, %eax
	movq	%rax, 512(%rsp)
	movq	%rax, 520(%rsp)
	movq	%rax, 528(%rsp)
	movq	%rax, 536(%rsp)
	movq	%rax, 544(%rsp)
	movq	%rax, 552(%rsp)
	movq	%rax, 560(%rsp)
	movq	%rax, 568(%rsp)
	movl	gr_arch_xmask(%rip), %eax
	movl	gr_arch_xmask+4(%rip), %edx
	cmpb	$1, gr_arch_xsave(%rip)
	je	1f
	xsavec64 (%rsp)
	jmp	2f
1:	xsave64	(%rsp)
2:	movq	%r8, %rdx
	call	\callee
	movl	%eax, %ecx
	movl	gr_arch_xmask(%rip), %eax
	movl	gr_arch_xmask+4(%rip), %edx
	xrstor64 (%rsp)
	movl	%ecx, %eax
	jmp	5f
4:	fxsave64 (%rsp)
	call	\callee
	fxrstor64 (%rsp)
5:	leave
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size	\name, . - \name
	.endm

	KEEPING_VECTORS gr_switch_x, gr_switch, 1
	KEEPING_VECTORS gr_with_vectors, *%rdi, 0

/*
 * void gr_walk_from(const void *sp, void (*fn)(void *), void *arg);
 *   Calls fn(arg).  To an unwinder the frame above this one, at gr_walk_begins, is that of the gr_switch() which left @sp behind: so a
 *   backtrace made in fn goes on in the greenlet that is parked there.  Nothing may be thrown through here.
 */
	.globl	gr_walk_from, gr_walk_begins
	.hidden	gr_walk_from, gr_walk_begins
	.type	gr_walk_from, @function
	.p2align 4
gr_walk_from:
	.cfi_startproc
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	movq	%rdi, %rbx
	movq	%rdx, %rdi
	.cfi_remember_state
	.cfi_def_cfa rbx, 64
	.cfi_offset rip, -8
	.cfi_offset rbp, -16
	.cfi_offset rbx, -24
	.cfi_offset r12, -32
	.cfi_offset r13, -40
	.cfi_offset r14, -48
	.cfi_offset r15, -56
	call	*%rsi
gr_walk_begins:
	.cfi_restore_state
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	ret
	.cfi_endproc
	.size	gr_walk_from, . - gr_walk_from

/*
 * First frame of a greenlet that starts with a function: r12 = argument, rbx = function; rsp is 16-aligned, rbp 0 ends backtraces.
 */
	.globl	gr_frame_start
	.hidden	gr_frame_start
	.type	gr_frame_start, @function
gr_frame_start:
	.cfi_startproc
	.cfi_undefined rip
	movq	%r12, %rdi
	call	*%rbx
	ud2
	.cfi_endproc
	.size	gr_frame_start, . - gr_frame_start

	.section .note.GNU-stack,"",@progbits
